"""What a tier gives back: answers, stream chunks, attempts, usage.

One shape for all three tiers, so that the executor, the cache and the hosts never ask which tier answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one answer; `estimated` when the tier reported none and we counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


NO_USAGE: Final = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One alternative answer. `tool_calls` and `logprobs` keep OpenAI's form."""

    index: int = 0
    text: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str = "stop"
    logprobs: Mapping[str, Any] | None = None
    refusal: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What one model call returned. `json` is set by models that answer in structure (commands);
    `confidence` in [0, 1] by models that know how sure they are."""

    choices: tuple[Choice, ...]
    usage: Usage
    json: Mapping[str, Any] | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One piece of a stream, for the choice `index`. `tool_calls` are OpenAI deltas
    (`index`, and any of `id`, `function.name`, `function.arguments`). A chunk with only `usage` belongs
    to no choice. The last chunk of a choice carries `finish_reason`."""

    index: int = 0
    text: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str | None = None
    logprobs: Mapping[str, Any] | None = None
    reasoning: str = ""
    refusal: str = ""
    usage: Usage | None = None
    json: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingAnswer:
    """Vectors in input order, each a list of floats."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The answer as the caller sees it; `choices` holds all alternatives, the first is the output."""

    choices: tuple[Choice, ...]
    json: Mapping[str, Any] | None = None
    vectors: tuple[tuple[float, ...], ...] = ()

    @property
    def first(self) -> Choice:
        return self.choices[0] if self.choices else Choice(text=None)


FAULTLESS: Final = frozenset({"ok", "refused", "cancelled", "unverified", "check"})
"""Outcomes of attempts that say nothing against the target's health."""
ANSWERED: Final = frozenset({"ok", "unverified", "check"})
"""Outcomes of attempts that gave a whole answer, whatever became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What checking an answer came to: `chance` that it is right by `features` (`router_core.learning.verification`), kept
    from `above` on. `audited` ones are kept whatever the chance."""

    chance: float
    above: float
    kept: bool
    audited: bool
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call of one target. `outcome` ok | unverified (an answer that its check did not keep) | check (a call that served
    a check) | error kind such as timeout, throttled, unavailable, refused, cut;
    `role` answer | hedge (asked beside another) | check; `error` is one sentence without secrets."""

    target: str
    outcome: str
    latency_ms: float
    error: str | None = None
    ttft_ms: float | None = None
    usage: Usage = NO_USAGE
    cost_usd: float = 0.0
    role: str = "answer"
    check: Checked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """A stream that died on one target and went on at another."""

    source: str
    to: str
    at_chars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The target that really answered; differs from the decision's after a fallback or a hand-off."""

    target: str
    tier: str
    model: str
    emulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """All attempts of one request and what came of them; `cost_usd` counts every attempt that was billed. `unverified`: its
    check did not keep the answer, but no better one came in time."""

    served: Served
    output: Output
    usage: Usage
    attempts: tuple[Attempt, ...]
    cost_usd: float
    energy_j: float
    execution_ms: float
    handoff: Handoff | None = None
    unverified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOutcome:
    """What a device reports after running a plan. `status` completed | failed | cancelled; `quality` in [0, 1]."""

    status: str
    output_tokens: int | None = None
    latency_ms: float | None = None
    quality: float | None = None
    error: str | None = None
