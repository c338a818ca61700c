"""Resource agent: what can serve right now. Requests read one snapshot; everything else happens beside them.

Probes, outcomes and operators change what is known; `refresh()` folds that into a new `ResourceState` and swaps the
compiled table whole. A reading that is too old makes a target "unknown", never "healthy".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Final

from router_core.errors import NotFoundError, TargetError, ThrottledError
from router_core.learning.estimates import Estimates
from router_core.policy.document import Policy
from router_core.policy.rollout import Rollout
from router_core.ports import Clock, Reading
from router_core.record import dataclass
from router_core.reliability import breaker
from router_core.reliability.breaker import CLOSED, BreakerState
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing.objective import InFlight
from router_core.routing.table import TargetTable, compile_table

STALE_S: Final = 3.0
"""Age from which a reading no longer counts; probes run several times in that span."""
PROVEN_S: Final = 300.0
"""How long a success vouches for a target that no probe looks at."""
QUEUE_LIMIT: Final = 5.0
KV_LIMIT: Final = 0.8
"""Busy from 5 waiting requests or 80% of the KV cache: the thresholds of the Gateway API inference extension."""
THROTTLE_S: Final = 1.0
RATE_SHARE: Final = 0.3
UNSEEN: Final = Estimates()
UNFITTED: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType({})
UNDOUBTED: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(slots=True)
class _Watch:
    """What is known of one target beside its estimates. Times are monotonic seconds."""

    reading: Reading | None = None
    read_at: float = 0.0
    drain_per_s: float = 0.0
    breaker: BreakerState = CLOSED
    proven_at: float | None = None
    throttled_until: float = 0.0
    draining: bool = False
    residency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """One target as an operator sees it; milliseconds, fractions, counts. None means not observed."""

    name: str
    tier: str
    kind: str
    model: str
    region: str | None
    emulated: bool
    health: str
    breaker: str
    draining: bool
    throttled: bool
    residency: str
    inflight: int
    running: int
    waiting: int
    kv_usage: float
    saturation: float
    queue_ms: float
    prefix_hit_rate: float
    rtt_ms: float | None
    ttft_ms: float | None
    decode_ms: float | None
    error_rate: float
    quality_delta: float
    doubt: float
    detail: str


_SHOWN: Final = frozenset(f.name for f in fields(TargetState)) & frozenset(f.name for f in fields(TargetView))


class ResourceAgent:
    """Keeps the snapshot, compiled once per policy in force: `table` for the stable one, `canary` while there is one.
    Counting in-flight requests is the only thing it does on the request path. What belongs to a target and not to a
    request, such as its breaker, follows the stable policy."""

    def __init__(self, specs: tuple[TargetSpec, ...], rollout: Rollout, clock: Clock) -> None:
        self._specs = specs
        self._clock = clock
        self._watches = {spec.name: _Watch() for spec in specs}
        self._estimates: Mapping[str, Estimates] = {}
        self._fits, self._doubts = UNFITTED, UNDOUBTED
        self._inflight: dict[int, int] = {}
        self.rollout = rollout
        self.table, self.canary = self._compiled(self._observed())

    def view(self, policy: Policy | None = None) -> tuple[TargetTable, InFlight]:
        """The snapshot under `policy`, under the stable one where that is not in force (any more); and how many requests
        each target is serving for us at this moment."""
        canary = self.canary
        table = canary if canary is not None and canary.policy is policy else self.table
        return table, tuple(self._inflight.items())

    def enter(self, target: str) -> None:
        """A request starts on `target`."""
        i = self.table.index[target]
        self._inflight[i] = self._inflight.get(i, 0) + 1

    def leave(self, target: str, outcome: str, error: TargetError | None) -> None:
        """A request is done with `target`; `outcome` as in `Attempt`."""
        i = self.table.index[target]
        left = self._inflight[i] - 1
        if left:
            self._inflight[i] = left
        else:
            del self._inflight[i]
        self._observe(target, outcome, error)

    def admits(self, target: str) -> bool:
        """Whether the target's breaker lets a call through now; while half-open, one at a time."""
        watch = self._watches[target]
        if watch.breaker.opened_s is None:
            return True
        after = breaker.admit(watch.breaker, self.rollout.stable.breaker, self._clock.monotonic_s())
        if after is not None:
            watch.breaker = after
        return after is not None

    def learn(self, target: str, reading: Reading) -> None:
        """A probe's reading; counters are turned into rates against the reading before."""
        if not reading.known:
            return
        watch, now = self._watches[target], self._clock.monotonic_s()
        before, seconds = watch.reading, now - watch.read_at
        if before is not None and before.requests_total is not None and reading.requests_total is not None:
            rate = max(0.0, reading.requests_total - before.requests_total) / max(seconds, 1e-3)
            watch.drain_per_s += RATE_SHARE * (rate - watch.drain_per_s)
        watch.reading, watch.read_at = reading, now

    def drain(self, target: str, draining: bool) -> None:
        """An operator takes a target out of, or back into, service. Raises `NotFoundError`."""
        watch = self._watches.get(target)
        if watch is None:
            raise NotFoundError(f"no target is called {target}")
        watch.draining = draining
        self._swap(self.rollout)

    def place(self, target: str, residency: str) -> None:
        """How the model of a target stands on its nodes, told by whoever keeps it there; the next snapshot shows it."""
        self._watches[target].residency = residency

    def refresh(
        self,
        rollout: Rollout,
        estimates: Mapping[str, Estimates],
        fits: Mapping[str, tuple[float, ...]] = UNFITTED,
        doubts: Mapping[str, float] = UNDOUBTED,
    ) -> None:
        """Fold what was learned into a new snapshot; called on a timer, off the request path. `fits` are what judgements say
        by feature, where they say anything, `doubts` of which targets they say that they have changed."""
        self._estimates, self._fits, self._doubts = estimates, fits, doubts
        self._swap(rollout)

    def specs(self) -> tuple[TargetSpec, ...]:
        """All targets as configured."""
        return self._specs

    def targets(self) -> tuple[TargetView, ...]:
        """All targets with their state, ordered by name."""
        return tuple(self._view(i, target) for i, target in enumerate(self.table.targets))

    def _view(self, i: int, target: Target) -> TargetView:
        spec, state = target.spec, target.state
        return TargetView(
            name=spec.name,
            tier=spec.tier,
            kind=spec.kind,
            model=spec.model,
            region=spec.region,
            emulated=spec.emulated,
            draining=state.health == "draining",
            inflight=self._inflight.get(i, 0),
            detail=self._detail(spec.name),
            **{name: getattr(state, name) for name in _SHOWN},
        )

    def _observe(self, target: str, outcome: str, error: TargetError | None) -> None:
        """What came of one attempt. Only retryable errors speak against the target's health."""
        watch, now = self._watches[target], self._clock.monotonic_s()
        rules = self.rollout.stable.breaker
        before = breaker.phase(watch.breaker, rules, now)
        if outcome == "cancelled":
            watch.breaker = breaker.abandoned(watch.breaker)
        elif error is None or not error.retryable:
            watch.breaker = breaker.success(watch.breaker, rules, now)
            watch.proven_at = now
        elif isinstance(error, ThrottledError):
            watch.throttled_until = now + (error.retry_after_s or THROTTLE_S)
            self._swap(self.rollout)
        else:
            watch.breaker = breaker.failure(watch.breaker, rules, now)
        if before != breaker.phase(watch.breaker, rules, now):
            self._swap(self.rollout)

    def _detail(self, name: str) -> str:
        reading = self._watches[name].reading
        return reading.detail if reading is not None else ""

    def _swap(self, rollout: Rollout) -> None:
        changed, self.rollout = rollout is not self.rollout, rollout
        fresh = self._observed()
        if changed or fresh.sha256 != self.table.state.sha256:
            self.table, self.canary = self._compiled(fresh)

    def _compiled(self, state: ResourceState) -> tuple[TargetTable, TargetTable | None]:
        canary = self.rollout.canary
        return (
            compile_table(state, self.rollout.stable),
            compile_table(state, canary) if canary is not None else None,
        )

    def _observed(self) -> ResourceState:
        now, policy = self._clock.monotonic_s(), self.rollout.stable
        return ResourceState.of(
            tuple(
                Target(spec=spec, state=self._state(spec, self._watches[spec.name], policy, now))
                for spec in self._specs
            )
        )

    def _state(self, spec: TargetSpec, watch: _Watch, policy: Policy, now: float) -> TargetState:
        estimates = self._estimates.get(spec.name, UNSEEN)
        state = TargetState(
            breaker=breaker.phase(watch.breaker, policy.breaker, now),
            throttled=watch.throttled_until > now,
            ttft_ms=_coarse(estimates.ttft_ms),
            decode_ms=_coarse(estimates.decode_ms),
            error_rate=round(estimates.error_rate, 2),
            quality_delta=round(estimates.quality_delta, 3),
            quality_fit=self._fits.get(spec.name, ()),
            doubt=round(self._doubts.get(spec.name, 0.0), 1),
            residency=watch.residency or "hot",
        )
        if watch.draining:
            return replace(state, health="draining")
        reading = watch.reading
        if reading is None:
            proven = watch.proven_at is not None and now - watch.proven_at < PROVEN_S
            return replace(state, health="up" if proven else "unknown")
        if now - watch.read_at > STALE_S:
            return replace(state, health="unknown")
        if not reading.up:
            return replace(state, health="down")
        if reading.models and spec.model not in reading.models:
            return replace(state, health="down", residency=watch.residency or "cold")
        return _with_load(replace(state, health="up"), reading, watch.drain_per_s)


def _with_load(state: TargetState, reading: Reading, drain_per_s: float) -> TargetState:
    """Queue wait is waiting / drain rate; saturation the worst of queue depth, KV cache use and used quota."""
    waiting, kv = reading.waiting or 0, reading.kv_usage or 0.0
    queries = reading.prefix_queries or 0.0
    return replace(
        state,
        running=reading.running or 0,
        waiting=waiting,
        kv_usage=round(kv, 2),
        queue_ms=round(1000.0 * waiting / drain_per_s) if waiting and drain_per_s > 0.01 else waiting * 200.0,
        saturation=round(max(waiting / QUEUE_LIMIT, kv / KV_LIMIT, reading.load or 0.0), 2),
        prefix_hit_rate=round((reading.prefix_hits or 0.0) / queries, 2) if queries else 0.0,
        rtt_ms=_coarse(reading.rtt_ms),
    )


def _coarse(value: float | None) -> float | None:
    """Two significant digits: finer differences would only make a new snapshot for every reading."""
    return None if value is None else float(f"{value:.2g}")
