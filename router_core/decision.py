"""The routing decision: what was chosen, what else was possible, what was removed and why."""

from __future__ import annotations

from collections.abc import Mapping

from router_core.deliberation import Advice
from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the chosen target was expected to do: milliseconds, USD, joules, chance of a good answer."""

    latency_ms: float
    cost_usd: float
    energy_j: float
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingDecision:
    """One decision over all tiers.

    `scores` and `rejected` together name every target, up to 32 (the best scores first); `unlisted` counts the rest.
    `propensity` is the probability with which the policy chose `target` given the same features.
    `guarded` are the rules of the policy's guard that fired on the request. `decided_by` is fast | deliberated | pinned | cache; `advice` is what models said that were asked about it, followed or not.
    """

    request_id: str
    target: str
    tier: str
    model: str
    request_class: str
    confidence: float
    risk: str
    scores: Mapping[str, float]
    rejected: Mapping[str, str]
    unlisted: int
    fallbacks: tuple[str, ...]
    propensity: float
    decided_by: str
    policy: str
    policy_sha256: str
    state_sha256: str
    prediction: Prediction
    emulated: bool = False
    explored: bool = False
    quality_short: bool = False
    guarded: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
