"""decide(): filter, score, pick, fall back, explain; pure, microseconds, replayable to the bit.

The one place where a request meets a target. Everything it reads is in its three arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from router_core.context import RequestContext
from router_core.decision import Prediction, RoutingDecision
from router_core.errors import NoCapacityError, NoPermittedTargetError
from router_core.policy.document import Thresholds
from router_core.routing.choice import Pick, pick
from router_core.routing.constraints import Reasons, is_capacity, permitted
from router_core.routing.objective import InFlight, Weighed, weigh
from router_core.routing.table import TargetTable

LISTED: Final = 32
FALLBACKS: Final = 8
CLEAR_MARGIN: Final = 0.1
"""A lead in score from which the choice counts as clear."""


def decide(context: RequestContext, table: TargetTable, inflight: InFlight = ()) -> RoutingDecision:
    """Decide one request. Raises `NoPermittedTargetError` or `NoCapacityError` with a reason for every target."""
    weighed = weigh(context, table, inflight)
    allowed, reasons = permitted(context, table, weighed)
    if not allowed:
        error = _no_target(context, table, reasons)
        error.policy = table.policy.label
        raise error
    return _decision(context, table, pick(context, table, weighed.scores, allowed), weighed, reasons)


def confidence(quality: float, margin: float) -> float:
    """How sure the choice is, in [0, 1]: the chance of a good answer, discounted up to a quarter when
    the runner-up was as good."""
    return quality * (0.75 + 0.25 * min(1.0, max(0.0, margin) / CLEAR_MARGIN))


def _decision(
    context: RequestContext, table: TargetTable, chosen: Pick, weighed: Weighed, reasons: Reasons
) -> RoutingDecision:
    i, order, names, scores = chosen.index, chosen.order, table.names, weighed.scores
    spec, policy = table.targets[i].spec, table.policy
    expected = weighed.quality[i]
    sure = confidence(expected, scores[i] - scores[_runner_up(chosen)] if len(order) > 1 else 1.0)
    listed = order if len(order) <= LISTED else _with_choice(order[:LISTED], i)
    rejected = _named(table, reasons, LISTED - len(listed)) if len(order) < len(scores) else {}
    return RoutingDecision(
        request_id=context.request_id,
        target=spec.name,
        tier=spec.tier,
        model=spec.model,
        request_class=context.request_class,
        confidence=sure,
        risk=_risk(context, policy.thresholds, sure),
        scores={names[j]: scores[j] for j in listed},
        rejected=rejected,
        unlisted=len(scores) - len(listed) - len(rejected),
        fallbacks=tuple([names[j] for j in order[: FALLBACKS + 1] if j != i][:FALLBACKS])
        if context.fallback
        else (),
        propensity=chosen.propensity,
        decided_by="pinned" if context.pinned == spec.name else "fast",
        policy=policy.label,
        policy_sha256=policy.sha256,
        state_sha256=table.state.sha256,
        prediction=Prediction(
            latency_ms=weighed.latency_ms[i],
            cost_usd=weighed.cost_usd[i],
            energy_j=weighed.energy_j[i],
            quality=expected,
        ),
        emulated=spec.emulated,
        explored=chosen.explored,
        guarded=context.guard_rules,
        quality_short=context.min_quality is not None and expected < context.min_quality,
    )


def _with_choice(listed: list[int], choice: int) -> list[int]:
    return listed if choice in listed else [choice, *listed[:-1]]


def _runner_up(chosen: Pick) -> int:
    return chosen.order[1] if chosen.order[0] == chosen.index else chosen.order[0]


def _risk(context: RequestContext, bands: Thresholds, sure: float) -> str:
    """low | medium | high by the policy's confidence bands; a critical request is one band riskier."""
    level = 0 if sure > bands.confidence_high else 1 if sure >= bands.confidence_low else 2
    return ("low", "medium", "high")[min(2, level + (context.request_class == "critical"))]


def _named(table: TargetTable, reasons: Reasons, room: int) -> Mapping[str, str]:
    named: dict[str, str] = {}
    for name, reason in zip(table.names, reasons, strict=True):
        if len(named) >= room:
            break
        if reason is not None:
            named[name] = reason
    return named


def _no_target(
    context: RequestContext, table: TargetTable, reasons: Reasons
) -> NoPermittedTargetError | NoCapacityError:
    rejected = _named(table, reasons, LISTED)
    if any(is_capacity(reason) for reason in reasons):
        wait_s = max(1.0, table.policy.breaker.open_ms / 1000.0)
        return NoCapacityError(
            "every permitted target is busy or down", rejected=rejected, retry_after_s=wait_s
        )
    if not table.names:
        return NoPermittedTargetError("no target is configured", rejected=rejected)
    if context.pinned is not None and context.pinned not in table.index:
        return NoPermittedTargetError(f"no target is called {context.pinned}", rejected=rejected)
    return NoPermittedTargetError("no target is permitted for this request", rejected=rejected)
