"""What a model that was asked beside the fast path said, in the form that decisions carry and records keep.

An answer holds words from closed lists, names of targets and numbers, never text of the model's own: that could
repeat a request's content, and records hold none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router_core.record import dataclass

Word = str | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One answer of one agent's model. `prompt` names the prompt's version and content, `answer` holds what it said,
    `accepted` whether the decision follows it, `reused` that it was given to a look-alike request before. What it replaced is in
    `before`, so that a record tells both."""

    agent: str
    model: str
    prompt: str
    answer: Mapping[str, Word]
    before: Mapping[str, Word]
    accepted: bool
    latency_ms: float = 0.0
    cost_usd: float = 0.0
    reused: bool = False

    def as_record(self) -> dict[str, Any]:
        """JSON form, an entry of `model_answers` in the decision record."""
        return {
            "agent": self.agent,
            "model": self.model,
            "prompt": self.prompt,
            "answer": dict(self.answer),
            "before": dict(self.before),
            "accepted": self.accepted,
            "latency_ms": round(self.latency_ms, 3),
            "cost_usd": self.cost_usd,
            "reused": self.reused,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Advice:
        """Read back `as_record()`. Raises `TypeError` for other keys."""
        return cls(**record)
