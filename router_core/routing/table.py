"""A snapshot and a policy compiled into columns, so that one decision is a handful of vector operations.

Rebuilt whole when either changes, off the request path. All arithmetic on it is element-wise IEEE double
(+, -, *, /, max): a decision gives the same bits on every machine and in any order of targets. No matrix
products and no transcendental functions, whose last bit depends on the library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router_core.inference import OBJECTIVES, TASKS
from router_core.policy.document import Policy, References, Weights
from router_core.record import dataclass
from router_core.resources import ResourceState, Target

Array = NDArray[np.float64]
LATENCY, COST, ENERGY = 0, 1, 2
TIER_PRIVACY: Final[Mapping[str, float]] = {"device": 1.0, "mec": 0.6, "cloud": 0.2}
EARTH_RADIUS_KM: Final = 6371.0
RTT_MS_PER_KM: Final = 0.02
"""Round trip per km of path: light in fibre at about 200 km/ms, routes about twice the great circle."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objective:
    """Weights of one objective, normalised to a hair below one so that no rounding lifts a score above it.
    `references` (3, 1) are the half-way values of latency, cost and energy times their weights, `fixed` (n,) the part
    of the score that does not depend on the request."""

    quality: float
    affinity: float
    references: Array
    fixed: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetTable:
    """Columns over n targets, ordered by name. `base`, `per_in`, `per_out`, `per_out_stream` are (3, n):
    rows latency ms, cost USD, energy J; at zero tokens, per prompt token, per output token, and per output
    token of a stream (whose deadline is its first token). `references` is (3, 1)."""

    state: ResourceState
    policy: Policy
    targets: tuple[Target, ...]
    names: tuple[str, ...]
    index: Mapping[str, int]
    base: Array
    per_in: Array
    per_out: Array
    per_out_stream: Array
    references: Array
    quality: Mapping[str, Array]
    capability: Array
    drop: Array
    reliability: Array
    remote: Array
    context_tokens: Array
    positions: Array
    located: bool
    inflight_ms: tuple[float, ...]
    capacity: tuple[int, ...]
    smallest_context: float
    largest_memory: float
    dearest_in: float
    dearest_out: float
    objectives: Mapping[str, Objective]
    permitted: dict[object, tuple[NDArray[np.bool_], tuple[str | None, ...], bool]] = field(
        default_factory=dict
    )
    """Memo of the filters that do not depend on the request's numbers; bounded by its user."""


def compile_table(state: ResourceState, policy: Policy) -> TargetTable:
    """Build the columns. Cost is linear in targets, about 10 us each."""
    targets = state.targets
    specs = [target.spec for target in targets]
    states = [target.state for target in targets]
    rtt = [s.rtt_ms if s.rtt_ms is not None else p.rtt_ms for p, s in zip(specs, states, strict=True)]
    ttft = [s.ttft_ms if s.ttft_ms is not None else p.ttft_ms for p, s in zip(specs, states, strict=True)]
    decode = [
        s.decode_ms if s.decode_ms is not None else p.decode_ms for p, s in zip(specs, states, strict=True)
    ]
    wait = [a + b + s.queue_ms for a, b, s in zip(rtt, ttft, states, strict=True)]
    zeros = [0.0] * len(targets)
    per_out = [decode, [p.price_out / 1e6 for p in specs], [p.energy_token_j for p in specs]]
    unknown = policy.thresholds.unknown_health
    return TargetTable(
        state=state,
        policy=policy,
        targets=targets,
        names=tuple(p.name for p in specs),
        index={p.name: i for i, p in enumerate(specs)},
        base=_rows(wait, zeros, [p.energy_request_j for p in specs]),
        per_in=_rows([p.prefill_ms for p in specs], [p.price_in / 1e6 for p in specs], zeros),
        per_out=_rows(*per_out),
        per_out_stream=_rows(zeros, *per_out[1:]),
        references=np.array(
            [[policy.references.latency_ms], [policy.references.cost_usd], [policy.references.energy_j]]
        ),
        quality={task: _quality(targets, task) for task in TASKS},
        capability=_column([p.capability for p in specs]),
        drop=_column([1.0 if p.tier == "device" else 0.6 for p in specs]),
        reliability=_column([(1.0 - s.error_rate) * (1.0 if s.health == "up" else unknown) for s in states]),
        remote=_column([0.0 if p.tier == "device" else 1.0 for p in specs]),
        context_tokens=_column([p.context_tokens for p in specs]),
        positions=np.array([unit_vector(p.lat, p.lon) or (0.0, 0.0, 0.0) for p in specs]).reshape(-1, 3).T,
        located=any(p.lat is not None for p in specs),
        inflight_ms=tuple(t + d * 64 for t, d in zip(ttft, decode, strict=True)),
        capacity=tuple(p.max_concurrency for p in specs),
        smallest_context=min((p.context_tokens for p in specs), default=0),
        largest_memory=max((p.memory_mb for p in specs if p.tier == "device"), default=0.0),
        dearest_in=max((p.price_in for p in specs), default=0.0) / 1e6,
        dearest_out=max((p.price_out for p in specs), default=0.0) / 1e6,
        objectives={
            name: _objective(policy.objectives[name], policy.references, targets) for name in OBJECTIVES
        },
    )


def unit_vector(lat: float | None, lon: float | None) -> tuple[float, float, float] | None:
    """A place as a unit vector, rounded to 1e-6 so that libraries' last bits do not matter (about 6 m)."""
    if lat is None or lon is None:
        return None
    a, b = math.radians(lat), math.radians(lon)
    x, y, z = math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)
    return round(x, 6), round(y, 6), round(z, 6)


def _rows(*rows: list[float]) -> Array:
    return np.array(rows, dtype=np.float64)


def _column(values: list[float]) -> Array:
    return np.array(values, dtype=np.float64)


def _quality(targets: tuple[Target, ...], task: str) -> Array:
    prior = [t.spec.quality.get(task, t.spec.quality_default) + t.state.quality_delta for t in targets]
    return np.clip(_column(prior), 0.0, 1.0)


def _objective(weights: Weights, references: References, targets: tuple[Target, ...]) -> Objective:
    total = sum(asdict(weights).values()) * (1.0 + 1e-12)
    privacy, load = weights.privacy / total, weights.load / total
    fixed = [
        privacy * TIER_PRIVACY[t.spec.tier] + load * (1.0 - min(1.0, max(0.0, t.state.saturation)))
        for t in targets
    ]
    shares = (
        (references.latency_ms, weights.latency),
        (references.cost_usd, weights.cost),
        (references.energy_j, weights.energy),
    )
    return Objective(
        quality=weights.quality / total,
        affinity=weights.affinity / total,
        references=np.array([[reference * weight / total] for reference, weight in shares]),
        fixed=_column(fixed),
    )
