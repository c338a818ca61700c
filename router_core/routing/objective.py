"""What each target is expected to do for a request, and how good that is under the objective.

Every part lies in [0, 1]: quality is a chance, the others are ref / (ref + value), one half at the policy's
reference value. Weighted by the objective they give the score, scaled by how reliable the target has been.
"""

from __future__ import annotations

import numpy as np

from router_core.context import RequestContext
from router_core.routing.table import (
    COST,
    EARTH_RADIUS_KM,
    ENERGY,
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
    per_out = table.per_out_stream if context.stream else table.per_out
    x: Array = table.base + table.per_in * context.prompt_tokens + per_out * context.output_tokens
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
    excess = np.maximum(context.complexity - table.capability, 0.0)
    quality: Array = np.maximum(table.quality[context.task] - table.drop * excess, 0.0)
    return quality


def score(context: RequestContext, table: TargetTable, estimates: Array, quality: Array) -> Array:
    """(n,): the weighted score of each target in [0, 1], permitted or not."""
    weights = objective_of(context, table)
    utility = table.references / (table.references + estimates)
    scores: Array = (
        quality * weights.quality
        + utility[LATENCY] * weights.latency
        + utility[COST] * weights.cost
        + utility[ENERGY] * weights.energy
        + weights.fixed
    )
    if weights.affinity:
        for name, share in ((context.session_target, 1.0), (context.prefix_target, PREFIX_SHARE)):
            i = table.index.get(name) if name is not None else None
            if i is not None:
                scores[i] += weights.affinity * share
    return np.minimum(scores * table.reliability, 1.0)


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
