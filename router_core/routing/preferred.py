"""Follows a model's advice on a decision, where the fast path permits what it says; pure, so that a record replays.

The advice can only name one of the targets that passed every filter for this very request. It changes which of them is
asked first, and nothing else: scores, rejections, propensity and hashes stay those of the fast decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from router_core.context import RequestContext
from router_core.decision import Prediction, RoutingDecision
from router_core.deliberation import Advice
from router_core.routing.decide import FALLBACKS
from router_core.routing.objective import InFlight, weigh
from router_core.routing.table import TargetTable

ROUTER = "router"
DELIBERATED = "deliberated"


def choices(decision: RoutingDecision) -> tuple[str, ...]:
    """The targets among which advice may choose, by name; none where the caller or chance has chosen already."""
    if decision.decided_by != "fast" or decision.explored or len(decision.scores) < 2:
        return ()
    return tuple(sorted(decision.scores))


def followed(
    decision: RoutingDecision,
    advice: Sequence[Advice],
    context: RequestContext,
    table: TargetTable,
    inflight: InFlight = (),
) -> RoutingDecision:
    """The decision once the accepted advice to the router is followed; all of the advice is carried along."""
    told = tuple(advice)
    named = [str(one.answer.get("target")) for one in told if one.agent == ROUTER and one.accepted]
    target = next((name for name in named if name in choices(decision)), None)
    if target is None:
        return replace(decision, advice=told) if told else decision
    if target == decision.target:
        return replace(decision, decided_by=DELIBERATED, advice=told)
    return _moved(decision, target, told, table, _prediction(context, table, inflight, target))


def _moved(
    decision: RoutingDecision,
    target: str,
    told: tuple[Advice, ...],
    table: TargetTable,
    prediction: Prediction,
) -> RoutingDecision:
    spec = table.targets[table.index[target]].spec
    fallbacks = decision.fallbacks
    if fallbacks:
        rest = (decision.target, *(name for name in fallbacks if name != target))
        fallbacks = rest[:FALLBACKS]
    return replace(
        decision,
        target=target,
        tier=spec.tier,
        model=spec.model,
        fallbacks=fallbacks,
        prediction=prediction,
        emulated=spec.emulated,
        decided_by=DELIBERATED,
        advice=told,
    )


def _prediction(context: RequestContext, table: TargetTable, inflight: InFlight, target: str) -> Prediction:
    weighed, i = weigh(context, table, inflight), table.index[target]
    return Prediction(
        latency_ms=weighed.latency_ms[i],
        cost_usd=weighed.cost_usd[i],
        energy_j=weighed.energy_j[i],
        quality=weighed.quality[i],
    )
