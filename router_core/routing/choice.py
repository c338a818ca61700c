"""Picks one target from the scores: best first, a session stays unless another is clearly better, rare exploration.

Chance is a hash of the request id: the same request in the same state always gets the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from router_core.context import RequestContext
from router_core.record import dataclass
from router_core.routing.constraints import RESTRICTED
from router_core.routing.table import TargetTable
from router_core.signals.fingerprint import shared_fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Index of the choice, permitted indices best first, and the probability of this choice."""

    index: int
    order: list[int]
    propensity: float = 1.0
    explored: bool = False


def pick(context: RequestContext, table: TargetTable, scores: list[float], allowed: Sequence[int]) -> Pick:
    """Choose among the permitted targets; `allowed` holds at least one."""
    order = _ordered(context, scores, allowed)
    if context.pinned is not None:
        pinned = table.index.get(context.pinned)
        if pinned in order:
            return Pick(index=pinned, order=order)
    best = _sticky(context, table, scores, order)
    rate = _exploration_rate(context, table)
    if not rate or len(order) == 1:
        return Pick(index=best, order=order)
    draw = shared_fraction(f"explore:{context.request_id}")
    floors = _floors(table, order, rate)
    chosen = _drawn(table, order, floors, draw, rate) if draw < rate else best
    return Pick(
        index=chosen,
        order=order,
        propensity=floors[order.index(chosen)] + (1.0 - rate if chosen == best else 0.0),
        explored=draw < rate,
    )


def chances(
    context: RequestContext, table: TargetTable, scores: list[float], allowed: Sequence[int]
) -> dict[int, float]:
    """The probability of every choice that `pick` may make for these features; those it never makes are left out. Of `pick`'s
    chance only the exploration counts: a tie's draw belongs to the request, which keeps its id when it is replayed."""
    order = _ordered(context, scores, allowed)
    pinned = table.index.get(context.pinned) if context.pinned is not None else None
    if pinned is not None and pinned in order:
        return {pinned: 1.0}
    best = _sticky(context, table, scores, order)
    rate = _exploration_rate(context, table)
    if not rate or len(order) == 1:
        return {best: 1.0}
    floors = _floors(table, order, rate)
    return {i: floor + (1.0 - rate if i == best else 0.0) for i, floor in zip(order, floors, strict=True)}


def _floors(table: TargetTable, order: list[int], rate: float) -> list[float]:
    """The chance by exploration that each of them has: the same, but more for targets that are doubted."""
    if table.curious is None:
        return [rate / len(order)] * len(order)
    total = sum(table.curious[i] for i in order)
    return [rate * table.curious[i] / total for i in order]


def _drawn(table: TargetTable, order: list[int], floors: list[float], draw: float, rate: float) -> int:
    """The one in whose part of [0, rate) the draw lies."""
    if table.curious is None:
        return order[int(draw / rate * len(order))]
    for i, floor in zip(order, floors, strict=True):
        draw -= floor
        if draw < 0.0:
            return i
    return order[-1]


def _ordered(context: RequestContext, scores: list[float], allowed: Sequence[int]) -> list[int]:
    """Permitted indices by falling score, equal ones by name; which of several equal bests comes first is drawn by
    hash of the request id."""
    order = sorted(allowed, key=scores.__getitem__, reverse=True)
    if len(order) > 1 and scores[order[0]] == scores[order[1]]:
        tied = sum(1 for i in order if scores[i] == scores[order[0]])
        drawn = int(shared_fraction(context.request_id) * tied)
        order.insert(0, order.pop(drawn))
    return order


def _sticky(context: RequestContext, table: TargetTable, scores: list[float], order: list[int]) -> int:
    """The session's last target, when it is permitted and within the margin of the best."""
    best = order[0]
    last = table.index.get(context.session_target) if context.session_target is not None else None
    if last is None or last == best or last not in order:
        return best
    return last if scores[last] >= scores[best] - table.policy.thresholds.stickiness else best


def _exploration_rate(context: RequestContext, table: TargetTable) -> float:
    """Never for restricted or critical requests, nor for those that set a deadline or a budget."""
    exploration = table.policy.exploration
    guarded = (
        context.privacy >= RESTRICTED
        or context.request_class == "critical"
        or context.request_class not in exploration.classes
        or context.max_cost_usd is not None
        or context.max_latency_ms is not None
    )
    return 0.0 if guarded else exploration.rate
