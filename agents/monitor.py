"""Monitor agent: counts, learns and records, without ever making a request wait.

Counters and estimates are plain numbers updated in place on the one event loop; an exporter reads them as a
`MonitorSnapshot`. Decision, outcome and quality records go to the event sink, which takes them without waiting;
the policy and the resource snapshot that a decision names are written once per hash, so that it can be replayed.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from agents.figures import Buckets, TargetFigures
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.errors import GuardBlockedError, GuardUnavailableError, NoTargetError
from router_core.events import (
    Judgement,
    decision_record,
    guard_record,
    outcome_record,
    policy_record,
    quality_record,
    refusal_record,
    report_record,
    state_record,
)
from router_core.execution import Attempt, Execution
from router_core.learning.estimates import Estimates
from router_core.learning.event_figures import BESIDE
from router_core.learning.online_learner import Judged, OnlineLearner
from router_core.monitoring import MonitorSnapshot, TargetNumbers
from router_core.policy.document import Policy
from router_core.policy.parse import to_document
from router_core.ports import Clock, EventSink
from router_core.resources import ResourceState, TargetSpec
from router_core.routing.objective import InFlight
from router_core.routing.table import TargetTable

REMEMBERED: int = 256
"""Hashes of snapshots and policies already written."""
NONE = "none"


class MonitorAgent:
    """One per process; snapshots of several processes are added up by the exporter."""

    def __init__(self, specs: tuple[TargetSpec, ...], events: EventSink, clock: Clock) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._events, self._clock = events, clock
        self._figures = {spec.name: TargetFigures(spec) for spec in specs}
        self.learner = OnlineLearner(specs)
        self._written: OrderedDict[str, None] = OrderedDict()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._fallbacks: Counter[tuple[str, str]] = Counter()
        self._tokens: Counter[tuple[str, str]] = Counter()
        self._cache: Counter[str] = Counter()
        self._cost: dict[tuple[str, str], float] = {}
        self._handoffs = 0
        self._checks: Counter[tuple[str, str]] = Counter()
        self._hedges: Counter[tuple[str, str]] = Counter()
        self._decision, self._overhead = Buckets(), Buckets()
        self._ttft = {spec.name: Buckets() for spec in specs}

    def decided(
        self,
        context: RequestContext,
        decision: RoutingDecision,
        table: TargetTable,
        inflight: InFlight,
        seconds: float,
    ) -> None:
        """Record a decision that took `seconds`, with what it was made from."""
        self._decision.add(seconds)
        now = self._clock.now_s()
        self._once(decision.state_sha256, now, table.state)
        self._once(decision.policy_sha256, now, table.policy)
        self.learner.decided(context, table.policy.scorer.share)
        self._events.emit(decision_record(now, context, decision, inflight))

    def refused(self, request_id: str, tenant: str, error: NoTargetError) -> None:
        """Record a request for which no target was left."""
        self._requests[NONE, NONE, error.outcome] += 1
        self._events.emit(refusal_record(self._clock.now_s(), tenant, request_id, error))

    def blocked(self, request_id: str, tenant: str, error: GuardBlockedError | GuardUnavailableError) -> None:
        """Record a request that the guard did not let in: the names of rules, no word of the request."""
        self._requests[NONE, NONE, error.outcome] += 1
        self._events.emit(guard_record(self._clock.now_s(), tenant, request_id, error))

    def finished(self, context: RequestContext, execution: Execution, status: str, cache: str) -> None:
        """Record what came of a request; `status` completed | failed | cancelled | execute_on_device."""
        served = execution.served
        self._requests[served.tier, served.target, status] += 1
        self._cache[cache] += 1
        self._handoffs += execution.handoff is not None
        before: Attempt | None = None
        for attempt in execution.attempts:
            self._attempted(attempt)
            if attempt.role != "answer" or attempt.check is not None:
                self._beside(attempt)
            if attempt.outcome in BESIDE:
                continue
            if before is not None and before.target != attempt.target:
                self._fallbacks[before.target, attempt.target] += 1
            before = attempt
        self._events.emit(
            outcome_record(
                self._clock.now_s(), context.tenant, context.request_id, status, _recordable(execution), cache
            )
        )

    def _beside(self, attempt: Attempt) -> None:
        """Count a check's verdict, and what a second target beside another was good for."""
        if attempt.check is not None:
            kept = "kept" if attempt.check.kept else "unverified"
            self._checks[attempt.target, "audited" if attempt.check.audited else kept] += 1
        if attempt.role == "hedge":
            self._hedges[attempt.target, "won" if attempt.outcome == "ok" else "lost"] += 1

    def added(self, overhead_s: float) -> None:
        """Note what the router itself added to a request, in seconds."""
        self._overhead.add(overhead_s)

    def judged(self, tenant: str, request_id: str, target: str, judgement: Judgement) -> None:
        """A judgement of an answer that `target` gave: recorded, and learned from where it can be believed."""
        judged = Judged(
            request_id=request_id,
            tenant=tenant,
            target=target,
            source=judgement.source,
            score=judgement.score,
        )
        if self.learner.judged(judged):
            self._figures[target].judged(self.learner.fit(target)[0])
        self._events.emit(quality_record(self._clock.now_s(), tenant, request_id, target, judgement))

    def reported(self, tenant: str, request_id: str, attempt: Attempt) -> None:
        """What a device says of a plan it ran for itself; its latency teaches the target's estimates."""
        figures, spec = self._figures.get(attempt.target), self._specs.get(attempt.target)
        if figures is None or spec is None:
            return
        figures.attempted(attempt, self._clock.monotonic_s())
        self._requests[spec.tier, attempt.target, f"device_{attempt.outcome}"] += 1
        self._events.emit(report_record(self._clock.now_s(), tenant, request_id, spec.tier, attempt))

    def estimates(self) -> Mapping[str, Estimates]:
        """What outcomes say of each target, for the next snapshot; what nobody asked lately fades to its prior."""
        now = self._clock.monotonic_s()
        for figures in self._figures.values():
            figures.rested(now)
        return {name: figures.estimates for name, figures in self._figures.items()}

    def fits(self) -> Mapping[str, tuple[float, ...]]:
        """What judgements say of targets by feature, beside the part that `estimates` hold as a difference."""
        told = {name: self.learner.fit(name)[1:] for name in self.learner.known}
        return {name: fit for name, fit in told.items() if any(fit)}

    def doubts(self) -> Mapping[str, float]:
        """Which targets do not answer as they used to, in [0, 1]."""
        return self.learner.drift.doubts()

    def snapshot(
        self, up: Mapping[str, bool], inflight: Mapping[str, int], *, dropped: int, policy_refused: int
    ) -> MonitorSnapshot:
        """All figures so far, with what others counted: events `dropped`, changes of the policy refused."""
        now = self._clock.monotonic_s()
        return MonitorSnapshot(
            requests=dict(self._requests),
            fallbacks=dict(self._fallbacks),
            handoffs=self._handoffs,
            cost_usd=dict(self._cost),
            tokens=dict(self._tokens),
            cache=dict(self._cache),
            decision=self._decision.histogram(),
            overhead=self._overhead.histogram(),
            ttft={name: buckets.histogram() for name, buckets in self._ttft.items()},
            events_dropped=dropped,
            policy_refused=policy_refused,
            targets=tuple(self._numbers(name, up, inflight, now) for name in sorted(self._specs)),
            checks=dict(self._checks),
            hedges=dict(self._hedges),
        )

    def _numbers(
        self, name: str, up: Mapping[str, bool], inflight: Mapping[str, int], now: float
    ) -> TargetNumbers:
        return self._figures[name].numbers(up=up.get(name, False), inflight=inflight.get(name, 0), now=now)

    def _attempted(self, attempt: Attempt) -> None:
        spec = self._specs[attempt.target]
        self._figures[attempt.target].attempted(attempt, self._clock.monotonic_s())
        if attempt.ttft_ms is not None:
            self._ttft[attempt.target].add(attempt.ttft_ms / 1000.0)
        self._tokens[attempt.target, "prompt"] += attempt.usage.prompt_tokens
        self._tokens[attempt.target, "completion"] += attempt.usage.completion_tokens
        if attempt.cost_usd:
            key = (spec.tier, attempt.target)
            self._cost[key] = self._cost.get(key, 0.0) + attempt.cost_usd

    def _once(self, sha256: str, now: float, source: ResourceState | Policy) -> None:
        """Write a snapshot or policy before the first decision that names it."""
        if sha256 in self._written:
            return
        self._written[sha256] = None
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        if isinstance(source, Policy):
            self._events.emit(policy_record(now, sha256, to_document(source)))
        else:
            self._events.emit(state_record(now, source.as_record()))


def _recordable(execution: Execution) -> Execution:
    """Without the targets' own words, which adapters put behind a colon: a target that refuses a request likes to
    repeat it, and records hold no content. The caller, whose content it is, is told them all the same."""
    if all(attempt.error is None for attempt in execution.attempts):
        return execution
    attempts = [
        attempt if attempt.error is None else replace(attempt, error=attempt.error.partition(": ")[0])
        for attempt in execution.attempts
    ]
    return replace(execution, attempts=tuple(attempts))
