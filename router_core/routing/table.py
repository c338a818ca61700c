"""A snapshot and a policy compiled into numbers, so that one decision is a handful of operations per target.

Rebuilt whole when either changes, off the request path. All arithmetic on it is element-wise IEEE double
(+, -, *, /, max): a decision gives the same bits on every machine and in any order of targets. No matrix
products and no transcendental functions, whose last bit depends on the library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from router_core.context import RequestContext
from router_core.inference import OBJECTIVES, TASKS, TIERS
from router_core.learning.online import FIT_TASKS
from router_core.policy.deliberation import ON_THE_PATH
from router_core.policy.document import Policy, References, Weights
from router_core.record import dataclass
from router_core.resources import ResourceState, Target, TargetSpec

Array = NDArray[np.float64]
Position = tuple[float, float, float]
DROP: Final[Mapping[str, float]] = {"device": 1.0, "mec": 0.6, "cloud": 0.6}
"""Quality lost per unit of complexity above a target's capability."""
CURIOSITY: Final = 4.0
"""How much oftener than others a target is explored that is fully doubted."""
TYPICAL_TOKENS: Final = 64
"""Answer length by which a request in flight is taken to hold up the next."""
TIER_PRIVACY: Final[Mapping[str, float]] = {"device": 1.0, "mec": 0.6, "cloud": 0.2}
EARTH_RADIUS_KM: Final = 6371.0
_SLOPES: Final = 3
"""Coefficients of a fit that belong to the request's numbers; those of its task follow."""
RTT_MS_PER_KM: Final = 0.02
"""Round trip per km of path: light in fibre at about 200 km/ms, routes about twice the great circle."""


class Row(NamedTuple):
    """What a decision reads of one target: times in ms (`wait_ms` round trip, queue and first token; per token
    `prefill_ms`, `decode_ms`), USD per token, joules per request and per output token."""

    wait_ms: float
    wait_ms_alone: float
    prefill_ms: float
    decode_ms: float
    price_in: float
    price_out: float
    energy_j: float
    energy_token_j: float
    capability: float
    drop: float
    reliability: float
    remote: float
    context_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objective:
    """Weights of one objective, normalised to a hair below one so that no rounding lifts a score above it.
    `latency`, `cost` and `energy` are the half-way values times their weights, `fixed` (n,) the part of the score
    that does not depend on the request."""

    quality: float
    affinity: float
    latency: float
    cost: float
    energy: float
    fixed: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetTable:
    """n targets, ordered by name: each as a `Row`, and the same numbers as columns (n,) for when there are many. `moved` is
    the part of `quality` that judgements brought; `slopes` are what they add to a target's quality per unit of complexity, length and structure; None where they add nothing."""

    state: ResourceState
    policy: Policy
    targets: tuple[Target, ...]
    names: tuple[str, ...]
    index: Mapping[str, int]
    rows: tuple[Row, ...]
    columns: tuple[Array, ...]
    quality: Mapping[str, tuple[float, ...]]
    moved: Mapping[str, tuple[float, ...]]
    tiers: tuple[int, ...]
    slopes: tuple[tuple[float, float, float], ...] | None
    positions: tuple[Position | None, ...]
    located: bool
    inflight_ms: tuple[float, ...]
    capacity: tuple[int, ...]
    smallest_context: float
    largest_memory: float
    dearest_in: float
    dearest_out: float
    objectives: Mapping[str, Objective]
    curious: tuple[float, ...] | None
    """What each target counts for when chance explores, in parts; None where all count the same."""
    thinks: bool
    """Whether the policy has any model asked about a request while it waits."""
    permitted: dict[object, tuple[tuple[int, ...], tuple[str | None, ...]]] = field(default_factory=dict)
    """Memo of the filters that do not depend on the request's numbers; bounded by its user."""


def compile_table(state: ResourceState, policy: Policy) -> TargetTable:
    """Build the table. Cost is linear in targets, about 10 us each."""
    targets = state.targets
    specs = [target.spec for target in targets]
    rows = tuple(_row(target, policy) for target in targets)
    return TargetTable(
        state=state,
        policy=policy,
        targets=targets,
        names=tuple(p.name for p in specs),
        index={p.name: i for i, p in enumerate(specs)},
        rows=rows,
        columns=tuple(np.array(rows, dtype=np.float64).reshape(-1, len(Row._fields)).T.copy()),
        quality={task: tuple(_quality(target, task) for target in targets) for task in TASKS},
        tiers=tuple(TIERS.index(p.tier) for p in specs),
        moved={task: tuple(_moved(target, task) for target in targets) for task in TASKS},
        slopes=_slopes(targets),
        positions=tuple(unit_vector(p.lat, p.lon) for p in specs),
        located=any(p.lat is not None for p in specs),
        inflight_ms=tuple(row.wait_ms_alone + row.decode_ms * TYPICAL_TOKENS for row in rows),
        capacity=tuple(p.max_concurrency for p in specs),
        smallest_context=min((p.context_tokens for p in specs), default=0),
        largest_memory=max((p.memory_mb for p in specs if p.tier == "device"), default=0.0),
        dearest_in=max((row.price_in for row in rows), default=0.0),
        dearest_out=max((row.price_out for row in rows), default=0.0),
        objectives={
            name: _objective(policy.objectives[name], policy.references, targets) for name in OBJECTIVES
        },
        curious=_curious(targets),
        thinks=policy.thinks(ON_THE_PATH),
    )


def _curious(targets: tuple[Target, ...]) -> tuple[float, ...] | None:
    if not any(target.state.doubt for target in targets):
        return None
    return tuple(1.0 + CURIOSITY * target.state.doubt for target in targets)


def _row(target: Target, policy: Policy) -> Row:
    spec, state = target.spec, target.state
    rtt = state.rtt_ms if state.rtt_ms is not None else spec.rtt_ms
    ttft = state.ttft_ms if state.ttft_ms is not None else spec.ttft_ms
    trust = 1.0 if state.health == "up" else policy.thresholds.unknown_health
    return Row(
        wait_ms=rtt + ttft + state.queue_ms,
        wait_ms_alone=ttft,
        prefill_ms=spec.prefill_ms,
        decode_ms=state.decode_ms if state.decode_ms is not None else spec.decode_ms,
        price_in=spec.price_in / 1e6,
        price_out=spec.price_out / 1e6,
        energy_j=spec.energy_request_j,
        energy_token_j=spec.energy_token_j,
        capability=spec.capability,
        drop=DROP[spec.tier],
        reliability=(1.0 - state.error_rate) * trust,
        remote=0.0 if spec.tier == "device" else 1.0,
        context_tokens=float(spec.context_tokens),
    )


def unit_vector(lat: float | None, lon: float | None) -> Position | None:
    """A place as a unit vector, rounded to 1e-6 so that libraries' last bits do not matter (about 6 m)."""
    if lat is None or lon is None:
        return None
    a, b = math.radians(lat), math.radians(lon)
    x, y, z = math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)
    return round(x, 6), round(y, 6), round(z, 6)


def _quality(target: Target, task: str) -> float:
    prior = target.spec.quality.get(task, target.spec.quality_default)
    return min(1.0, max(0.0, prior + _moved(target, task)))


def _moved(target: Target, task: str) -> float:
    fit = target.state.quality_fit
    shift = fit[_SLOPES + FIT_TASKS.index(task)] if fit and task in FIT_TASKS else 0.0
    return target.state.quality_delta + shift


def _slopes(targets: tuple[Target, ...]) -> tuple[tuple[float, float, float], ...] | None:
    fits = [target.state.quality_fit or (0.0,) * _SLOPES for target in targets]
    slopes = tuple((fit[0], fit[1], fit[2]) for fit in fits)
    return slopes if any(any(one) for one in slopes) else None


def expected_quality(spec: TargetSpec, context: RequestContext | None, scored: float = 0.0) -> float:
    """The chance of a good answer before anything was learned of the target; of an unknown request its usual one. `scored` is
    how far the policy lets the scorer's chance take its place."""
    if context is None:
        return spec.quality_default
    excess = context.complexity - spec.capability
    prior = spec.quality.get(context.task, spec.quality_default)
    if excess > 0.0:
        prior -= DROP[spec.tier] * excess
    if context.foreseen:
        share = scored * (1.0 - context.foreseen[-1])
        known = dict(context.adopted).get(spec.name, context.foreseen[TIERS.index(spec.tier)])
        prior += share * (known - prior)
    return min(1.0, max(0.0, prior))


def _objective(weights: Weights, references: References, targets: tuple[Target, ...]) -> Objective:
    total = sum(asdict(weights).values()) * (1.0 + 1e-12)
    privacy, load = weights.privacy / total, weights.load / total
    fixed = [
        privacy * TIER_PRIVACY[t.spec.tier] + load * (1.0 - min(1.0, max(0.0, t.state.saturation)))
        for t in targets
    ]
    return Objective(
        quality=weights.quality / total,
        affinity=weights.affinity / total,
        latency=references.latency_ms * weights.latency / total,
        cost=references.cost_usd * weights.cost / total,
        energy=references.energy_j * weights.energy / total,
        fixed=tuple(fixed),
    )
