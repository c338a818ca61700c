"""What each target is expected to do for a request, and how good that is under the objective.

Every part lies in [0, 1]: quality is a chance, the others are ref / (ref + value), one half at the policy's
reference value. Weighted by the objective they give the score, scaled by how reliable the target has been.
"""

from __future__ import annotations

import numpy as np

from router_core.context import RequestContext
from router_core.routing.table import (
    EARTH_RADIUS_KM,
    LATENCY,
    RTT_MS_PER_KM,
    Array,
    Objective,
    TargetTable,
)

InFlight = tuple[tuple[int, int], ...]
"""(target index, own requests now in flight) for targets that have any."""
PREFIX_SHARE = 0.5
"""Affinity of a target that saw the same prompt prefix, beside 1.0 for the session's own last target."""


def estimate(context: RequestContext, table: TargetTable, inflight: InFlight) -> Array:
    """(3, n): expected latency ms (to the first token when streaming), cost USD, energy J."""
    x: Array = (table.per_out_stream if context.stream else table.per_out) * context.output_tokens
    x += table.per_in * context.prompt_tokens
    x += table.base
    latency = x[LATENCY]
    for i, count in inflight:
        latency[i] += table.inflight_ms[i] * count / table.capacity[i]
    if context.position is not None and table.located:
        latency += _distance_ms(context.position, table)
    if context.executes and context.rtt_ms is not None:
        latency += table.remote * context.rtt_ms
    return x


def predict_quality(context: RequestContext, table: TargetTable) -> Array:
    """(n,): chance of a good answer; falls once the request is more complex than the target's capability."""
    lost: Array = context.complexity - table.capability
    np.maximum(lost, 0.0, out=lost)
    lost *= table.drop
    np.subtract(table.quality[context.task], lost, out=lost)
    return np.maximum(lost, 0.0, out=lost)


def score(context: RequestContext, table: TargetTable, estimates: Array, quality: Array) -> Array:
    """(n,): the weighted score of each target in [0, 1], permitted or not."""
    weights = objective_of(context, table)
    utility = estimates + table.references
    np.divide(weights.references, utility, out=utility)
    scores: Array = quality * weights.quality
    for row in utility:
        scores += row
    scores += weights.fixed
    if weights.affinity:
        _add_affinity(context, table, scores, weights.affinity)
    scores *= table.reliability
    return scores


def _add_affinity(context: RequestContext, table: TargetTable, scores: Array, weight: float) -> None:
    """The session's last target counts whole, one that saw the same prompt prefix half."""
    session = table.index.get(context.session_target) if context.session_target is not None else None
    prefix = table.index.get(context.prefix_target) if context.prefix_target is not None else None
    if session is not None:
        scores[session] += weight
    if prefix is not None and prefix != session:
        scores[prefix] += weight * PREFIX_SHARE


def objective_of(context: RequestContext, table: TargetTable) -> Objective:
    """The caller's objective, or what the policy sets for the class of a request that left it balanced."""
    name = context.optimize
    if name == "balanced":
        name = table.policy.classes[context.request_class].optimize or name
    return table.objectives[name]


def _distance_ms(position: tuple[float, float, float], table: TargetTable) -> Array:
    """Round-trip time over the chord; targets without a place count as near."""
    x, y, z = table.positions
    dx, dy, dz = x - position[0], y - position[1], z - position[2]
    placed = np.abs(x) + np.abs(y) + np.abs(z) > 0.0
    chord = np.sqrt(dx * dx + dy * dy + dz * dz) * (EARTH_RADIUS_KM * RTT_MS_PER_KM)
    return np.where(placed, chord, 0.0)
