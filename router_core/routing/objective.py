"""What each target is expected to do for a request, and how good that is under the objective.

Every part lies in [0, 1]: quality is a chance, the others are ref / (ref + value), one half at the policy's
reference value. Weighted by the objective they give the score, scaled by how reliable the target has been.

Written twice, for few targets in plain floats and for many in columns: an array operation on three numbers costs
twenty times what the arithmetic does, and a loop over a thousand targets as much again. Both do the same IEEE
operations in the same order, and a test compares their bits.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from router_core.context import RequestContext
from router_core.learning.online import CENTRE, length, structured
from router_core.record import dataclass
from router_core.routing.table import EARTH_RADIUS_KM, RTT_MS_PER_KM, Objective, Position, TargetTable

FEW: Final = 24
"""Up to so many targets the loop is faster."""
InFlight = tuple[tuple[int, int], ...]
"""(target index, own requests now in flight) for targets that have any."""
PREFIX_SHARE: Final = 0.5
"""Affinity of a target that saw the same prompt prefix, beside 1.0 for the session's own last target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """Per target, in the table's order: expected latency ms (to the first token when streaming), cost USD, energy J,
    chance of a good answer, and the score in [0, 1], permitted or not."""

    latency_ms: list[float]
    cost_usd: list[float]
    energy_j: list[float]
    quality: list[float]
    scores: list[float]


def weigh(context: RequestContext, table: TargetTable, inflight: InFlight) -> Weighed:
    """Estimate and score every target."""
    extra = _extra_ms(context, table, inflight)
    weighed = _few(context, table, extra) if len(table.rows) <= FEW else _many(context, table, extra)
    if context.session_target is not None or context.prefix_target is not None:
        _add_affinity(context, table, weighed.scores)
    return weighed


def objective_of(context: RequestContext, table: TargetTable) -> Objective:
    """The caller's objective, or what the policy sets for the class of a request that left it balanced."""
    name = context.optimize
    if name == "balanced":
        name = table.policy.classes[context.request_class].optimize or name
    return table.objectives[name]


def _few(context: RequestContext, table: TargetTable, extra: list[float] | None) -> Weighed:
    weights = objective_of(context, table)
    wq, wl, wc, we = weights.quality, weights.latency, weights.cost, weights.energy
    prompt, output = context.prompt_tokens, context.output_tokens
    decoded = 0 if context.stream else output
    references = table.policy.references
    rl, rc, re = references.latency_ms, references.cost_usd, references.energy_j
    qualities, fixed, slopes = table.quality[context.task], weights.fixed, table.slopes
    of_complexity, of_length, of_structure = (0.0, 0.0, 0.0) if slopes is None else _fitted(context)
    foreseen, share, moved = (
        _foreseen(context, table),
        _learned_share(context, table),
        table.moved[context.task],
    )
    latency, cost, energy, quality, scores = [], [], [], [], []
    for i, (wait, _, prefill, decode, p_in, p_out, e, e_out, able, drop, trust, _, _) in enumerate(
        table.rows
    ):
        ms = decode * decoded + prefill * prompt + wait
        if extra is not None:
            ms += extra[i]
        usd, joules = p_out * output + p_in * prompt, e_out * output + e
        excess = context.complexity - able
        q = qualities[i] - drop * excess if excess > 0.0 else qualities[i]
        if foreseen:
            q += share * (foreseen[i] + moved[i] - q)
        if slopes is not None:
            a, b, c = slopes[i]
            q = min(1.0, q + a * of_complexity + b * of_length + c * of_structure)
        if q < 0.0:
            q = 0.0
        score = q * wq + wl / (rl + ms) + wc / (rc + usd) + we / (re + joules) + fixed[i]
        latency.append(ms)
        cost.append(usd)
        energy.append(joules)
        quality.append(q)
        scores.append(score * trust)
    return Weighed(latency_ms=latency, cost_usd=cost, energy_j=energy, quality=quality, scores=scores)


def _learned_share(context: RequestContext, table: TargetTable) -> float:
    """How far the learned chance of a tier replaces a target's own quality: the policy's share, less the doubt. What judgements
    say of the target is added to either."""
    return table.policy.scorer.share * (1.0 - context.foreseen[-1]) if context.foreseen else 0.0


def _foreseen(context: RequestContext, table: TargetTable) -> list[float]:
    """The learned chance of each target: its own where it has one, else its tier's; empty where none was asked for."""
    if not context.foreseen:
        return []
    chances = [context.foreseen[tier] for tier in table.tiers]
    for name, chance in context.adopted:
        if name in table.index:
            chances[table.index[name]] = chance
    return chances


def _fitted(context: RequestContext) -> tuple[float, float, float]:
    """What a target's slopes are multiplied by."""
    return context.complexity - CENTRE, length(context.prompt_tokens), structured(context)


def _many(context: RequestContext, table: TargetTable, extra: list[float] | None) -> Weighed:
    weights, references = objective_of(context, table), table.policy.references
    wait, _, prefill, decode, p_in, p_out, e, e_out, able, drop, trust, _, _ = table.columns
    prompt, output = context.prompt_tokens, context.output_tokens
    ms = decode * (0 if context.stream else output) + prefill * prompt + wait
    if extra is not None:
        ms += np.array(extra)
    usd, joules = p_out * output + p_in * prompt, e_out * output + e
    excess = np.maximum(context.complexity - able, 0.0)
    q = np.array(table.quality[context.task]) - drop * excess
    if context.foreseen:
        foreseen = np.array(_foreseen(context, table)) + np.array(table.moved[context.task])
        q += _learned_share(context, table) * (foreseen - q)
    if table.slopes is not None:
        of_complexity, of_length, of_structure = _fitted(context)
        a, b, c = np.array(table.slopes).T
        q = np.minimum(q + a * of_complexity + b * of_length + c * of_structure, 1.0)
    q = np.maximum(q, 0.0)
    scores = q * weights.quality + weights.latency / (references.latency_ms + ms)
    scores += weights.cost / (references.cost_usd + usd)
    scores += weights.energy / (references.energy_j + joules)
    scores += np.array(weights.fixed)
    scores *= trust
    return Weighed(
        latency_ms=ms.tolist(),
        cost_usd=usd.tolist(),
        energy_j=joules.tolist(),
        quality=q.tolist(),
        scores=scores.tolist(),
    )


def _extra_ms(context: RequestContext, table: TargetTable, inflight: InFlight) -> list[float] | None:
    """Milliseconds that are this moment's or this caller's: own requests in flight, distance, the device's link."""
    far = context.position if table.located else None
    link = context.rtt_ms if context.executes else None
    if not inflight and far is None and link is None:
        return None
    extra = [0.0] * len(table.rows)
    for i, count in inflight:
        extra[i] = table.inflight_ms[i] * count / table.capacity[i]
    if far is not None:
        extra = [ms + _distance_ms(far, place) for ms, place in zip(extra, table.positions, strict=True)]
    if link is not None:
        extra = [ms + row.remote * link for ms, row in zip(extra, table.rows, strict=True)]
    return extra


def _distance_ms(here: Position, there: Position | None) -> float:
    """Round-trip time over the chord; a target without a place counts as near."""
    if there is None:
        return 0.0
    dx, dy, dz = there[0] - here[0], there[1] - here[1], there[2] - here[2]
    return math.sqrt(dx * dx + dy * dy + dz * dz) * (EARTH_RADIUS_KM * RTT_MS_PER_KM)


def _add_affinity(context: RequestContext, table: TargetTable, scores: list[float]) -> None:
    """The session's last target counts whole, one that saw the same prompt prefix half."""
    weight = objective_of(context, table).affinity
    session = table.index.get(context.session_target) if context.session_target is not None else None
    prefix = table.index.get(context.prefix_target) if context.prefix_target is not None else None
    if session is not None:
        scores[session] += weight * table.rows[session].reliability
    if prefix is not None and prefix != session:
        scores[prefix] += weight * PREFIX_SHARE * table.rows[prefix].reliability
