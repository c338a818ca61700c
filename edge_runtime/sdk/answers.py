"""What an app asks with and what it gets: the answer, who gave it, and what was tried before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

Reason = Literal["offline", "slow", "refused", "over_budget", "unavailable"]
Trusting = Literal["signed", "expired", "none"]


class Wishes(TypedDict, total=False):
    """What a call may ask for beside its text; the meanings are those of `POST /inference`. `deadline_s` bounds the whole
    call. `when_offline`: "queue" keeps the request until the gateway is back. `speculate`: run the device's model, where it
    may answer, while the gateway is asked."""

    task: str
    optimize: Literal["balanced", "latency", "cost", "quality", "privacy", "energy"]
    max_latency_ms: float
    max_cost_usd: float
    min_quality: float
    tiers: tuple[str, ...]
    privacy: Literal["public", "internal", "confidential", "restricted"]
    residency: str
    max_tokens: int
    temperature: float
    response_format: Mapping[str, Any]
    session_id: str
    user: str
    deadline_s: float
    when_offline: Literal["fail", "queue"]
    speculate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """One try that came to nothing. `source` is a device target's name, or "gateway"."""

    source: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. `tier` and `target` name who gave it; `fallbacks` who did not, and why; `decision` is what this device
    decided before. `bundle` tells by which policy: a signed and valid one, an expired one (device only), or none
    (device only). `status` "queued": kept until the gateway is back, see `Client.collect`."""

    id: str
    status: Literal["completed", "queued"]
    text: str | None
    json: Mapping[str, Any] | None
    tier: str | None
    target: str | None
    model: str | None
    confidence: float | None
    latency_ms: float
    cost_usd: float
    energy_j: float
    policy: str
    bundle: Trusting
    decision: str
    propensity: float
    fallbacks: tuple[Fallback, ...] = ()
    emulated: bool = False

    @property
    def commands(self) -> tuple[Mapping[str, Any], ...]:
        """The commands of the answer; none when it is no command."""
        return tuple((self.json or {}).get("commands", ()))


def queued_answer(request_id: str, policy: str, standing: Trusting) -> Answer:
    """What stands for an answer that is still to come."""
    return Answer(
        id=request_id,
        status="queued",
        text=None,
        json=None,
        tier=None,
        target=None,
        model=None,
        confidence=None,
        latency_ms=0.0,
        cost_usd=0.0,
        energy_j=0.0,
        policy=policy,
        bundle=standing,
        decision="",
        propensity=1.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a streamed answer."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """Embeddings in the order of their texts, all of one model."""

    vectors: tuple[tuple[float, ...], ...]
    model: str
    tier: str
