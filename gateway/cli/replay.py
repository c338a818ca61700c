"""Decides a recorded request again from its record alone, and compares every number bit by bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from router_core.adapters.events.reader import Records, find
from router_core.decision import RoutingDecision
from router_core.errors import ConfigurationError
from router_core.routing.replay import replay as decide_again

COMPARED: Final = (
    "chosen", "tier", "class", "propensity", "confidence", "scores", "rejected", "fallbacks", "policy_sha256",
    "state_sha256",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What was recorded and what came out again, in JSON's types."""

    request_id: str
    recorded: dict[str, Any]
    replayed: dict[str, Any]

    @property
    def differing(self) -> tuple[str, ...]:
        """Names whose values are not equal; JSON prints every double so that it reads back to the same bits."""
        return tuple(key for key in COMPARED if self.recorded[key] != self.replayed[key])

    @property
    def same(self) -> bool:
        return not self.differing

    def rows(self) -> Iterator[tuple[str, Any, Any]]:
        """What was compared, side by side."""
        for key in COMPARED:
            yield key, self.recorded[key], self.replayed[key]

    def as_document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "request_id": self.request_id,
            "same": self.same,
            "differing": list(self.differing),
            "recorded": self.recorded,
            "replayed": self.replayed,
        }


def replay(directory: Path, request_id: str) -> Replay | None:
    """None when there is no such decision. Raises `ConfigurationError` when its state or policy is gone."""
    records = find(directory, request_id)
    if records.decision is None:
        return None
    decision = _decide(records, records.decision)
    again = json.loads(json.dumps(_as_record(decision), default=_plain))
    return Replay(
        request_id=request_id,
        recorded={key: records.decision.get(key) for key in COMPARED},
        replayed={key: again[key] for key in COMPARED},
    )


def _decide(records: Records, record: dict[str, Any]) -> RoutingDecision:
    if records.state is None or records.policy is None:
        raise ConfigurationError("the state or the policy of this decision is no longer in the records")
    return decide_again(record, records.state, records.policy)


def _as_record(decision: RoutingDecision) -> dict[str, Any]:
    return {
        "chosen": decision.target,
        "tier": decision.tier,
        "class": decision.request_class,
        "propensity": decision.propensity,
        "confidence": decision.confidence,
        "scores": decision.scores,
        "rejected": decision.rejected,
        "fallbacks": decision.fallbacks,
        "policy_sha256": decision.policy_sha256,
        "state_sha256": decision.state_sha256,
    }


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else list(value)
