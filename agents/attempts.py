"""What one request may still try: the order of targets, the deadline, and the account of what was tried.

Pure but for the clock it is handed: the executor asks `next()` after every failure and does as told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Final

from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.errors import (
    AllTargetsFailedError,
    DeadlineError,
    TargetError,
    ThrottledError,
)
from router_core.execution import Attempt, Checked, Execution, Handoff, Output, Served, Usage
from router_core.inference import InferenceRequest
from router_core.policy.document import Policy
from router_core.record import dataclass
from router_core.reliability.retry import delay_ms
from router_core.resources import TargetSpec
from router_core.routing.table import TargetTable

SHARE_WITH_FALLBACK: Final = 0.6
"""Part of the time left that an attempt may use while another target still waits for its turn."""


@dataclass(slots=True)
class Ledger:
    """Attempts so far and what they cost; the one mutable part of a job, kept so that a cancelled one is billed too.
    `racing`: several targets work at once, so that one that is called off has cost something all the same."""

    attempts: list[Attempt] = field(default_factory=list)
    racing: bool = False

    def add(
        self,
        step: Step,
        outcome: str,
        usage: Usage,
        *,
        latency_ms: float,
        error: TargetError | None = None,
        ttft_ms: float | None = None,
    ) -> None:
        """Note one attempt and bill it."""
        attempt = Attempt(
            target=step.spec.name,
            outcome=outcome,
            latency_ms=latency_ms,
            error=None if error is None else str(error),
            ttft_ms=ttft_ms,
            usage=usage,
            cost_usd=step.spec.cost_usd(usage.prompt_tokens, usage.completion_tokens),
            role=step.role,
        )
        self.attempts.append(attempt)

    def checked(self, target: str, check: Checked) -> None:
        """Note what the check of the target's last answer came to."""
        for at in range(len(self.attempts) - 1, -1, -1):
            attempt = self.attempts[at]
            if attempt.target == target and attempt.outcome == "ok":
                outcome = "ok" if check.kept else "unverified"
                self.attempts[at] = replace(attempt, outcome=outcome, check=check)
                return

    def chosen(self, target: str) -> None:
        """Of two answers that came at once only this target's is used."""
        for at, attempt in enumerate(self.attempts):
            if attempt.outcome == "ok" and attempt.target != target:
                self.attempts[at] = replace(attempt, outcome="cancelled")

    @property
    def cost_usd(self) -> float:
        return sum(attempt.cost_usd for attempt in self.attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One decided request on its way through the executor; `started_s` (receipt, from which the
    deadline counts) and `executing_s` are monotonic; `cache` is miss or bypass; `table` is what was decided on."""

    request: InferenceRequest
    context: RequestContext
    decision: RoutingDecision
    specs: Mapping[str, TargetSpec]
    policy: Policy
    started_s: float
    executing_s: float
    cache: str = "bypass"
    ledger: Ledger = field(default_factory=Ledger)
    table: TargetTable | None = None

    @property
    def deadline_ms(self) -> float:
        """The caller's deadline, else the class's, never above the policy's limit."""
        asked = self.context.max_latency_ms or self.policy.classes[self.context.request_class].deadline_ms
        limit = self.policy.limits.deadline_ms
        if self.context.request_class == "batch":
            return asked or limit
        return min(asked, limit) if asked else limit

    def left_s(self, now: float) -> float:
        return self.started_s + self.deadline_ms / 1000.0 - now

    @property
    def budget_usd(self) -> float:
        """What all attempts together may cost: the caller's bound, never above the policy's."""
        asked, limit = self.context.max_cost_usd, self.policy.limits.max_cost_usd
        return limit if asked is None else min(asked, limit)

    def most_usd(self, spec: TargetSpec) -> float:
        """What an attempt at a target costs at most: the estimate its filter was checked against."""
        return spec.cost_usd(self.context.prompt_tokens, self.context.max_output_tokens)

    def execution(
        self, spec: TargetSpec, output: Output, usage: Usage, *, now: float, handoff: Handoff | None = None
    ) -> Execution:
        """The finished account."""
        return Execution(
            served=served_by(spec),
            output=output,
            usage=usage,
            attempts=tuple(self.ledger.attempts),
            cost_usd=self.ledger.cost_usd,
            energy_j=spec.energy_j(usage.completion_tokens),
            execution_ms=(now - self.executing_s) * 1000.0,
            handoff=handoff,
        )


def served_by(spec: TargetSpec) -> Served:
    return Served(target=spec.name, tier=spec.tier, model=spec.model, emulated=spec.emulated)


def nothing_served(job: Job, now: float) -> Execution:
    """The account of a request that got no whole answer; what was written before a stream broke counts all the same."""
    used = [attempt.usage for attempt in job.ledger.attempts]
    usage = Usage(
        prompt_tokens=max((one.prompt_tokens for one in used), default=0),
        completion_tokens=sum(one.completion_tokens for one in used),
        estimated=bool(used),
    )
    return job.execution(job.specs[job.decision.target], Output(choices=()), usage, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A whole answer of one attempt; `confidence` where the target says how sure it is."""

    output: Output
    usage: Usage
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Try `spec` after waiting `wait_s`, for at most `timeout_s`; `role` as in `Attempt`."""

    spec: TargetSpec
    wait_s: float
    timeout_s: float
    role: str = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Where a walk over the targets stands, so that another machine can go on: the targets that wait for their first
    turn, those that come round again with their failures, how often each was asked, and how many attempts are left."""

    order: tuple[str, ...]
    again: tuple[tuple[str, TargetError], ...]
    counts: Mapping[str, int]
    left: int
    last: TargetError


def untried(job: Job) -> Tried:
    """The beginning of the walk."""
    return Tried(
        order=(job.decision.target, *job.decision.fallbacks),
        again=(),
        counts={},
        left=job.policy.limits.attempts,
        last=ThrottledError("every permitted target is recovering from failures"),
    )


class Tries:
    """Walks the decision's own list: each target once in order, then again those whose failure may pass."""

    def __init__(
        self, job: Job, tried: Tried, now: Callable[[], float], uniform: Callable[[], float]
    ) -> None:
        self._job, self._now, self._uniform = job, now, uniform
        self._order, self._again = deque(tried.order), deque(tried.again)
        self._counts, self._left, self._last = dict(tried.counts), tried.left, tried.last

    @property
    def tried(self) -> Tried:
        return Tried(
            order=tuple(self._order),
            again=tuple(self._again),
            counts=dict(self._counts),
            left=self._left,
            last=self._last,
        )

    @property
    def over(self) -> bool:
        """Whether nothing is left, whatever the time."""
        return not (self._left and (self._order or self._again))

    @property
    def waiting(self) -> tuple[TargetSpec, ...]:
        """Targets that wait for their first turn, in order, as far as attempts are left."""
        return tuple(self._job.specs[name] for name in self._order)[: self._left]

    def spared(self, target: str) -> None:
        """It was called off for another's answer: it may have its turn again, should that one break off."""
        self._order.appendleft(target)
        self._counts[target] -= 1

    def failed(self, target: str, error: TargetError) -> None:
        """Note a failure; a retryable one comes round again while the policy allows."""
        self._last = error
        if error.retryable and self._counts[target] < self._job.policy.retry.attempts_per_target:
            self._again.append((target, error))

    def next(self, suits: Callable[[TargetSpec], bool] = lambda _: True) -> Step | None:
        """The next thing to try, or None when nothing is left. Raises `DeadlineError` when time is up."""
        left = self._job.left_s(self._now())
        if left <= 0:
            raise DeadlineError(tuple(self._job.ledger.attempts), self._job.deadline_ms)
        while self._left and (found := self._pop()) is not None:
            name, wait_s = found
            spec = self._job.specs[name]
            if not suits(spec) or wait_s >= left:
                continue
            self._left -= 1
            self._counts[name] = self._counts.get(name, 0) + 1
            share = SHARE_WITH_FALLBACK if self._order else 1.0
            return Step(spec=spec, wait_s=wait_s, timeout_s=min(spec.timeout_s, (left - wait_s) * share))
        return None

    def failure(self) -> AllTargetsFailedError:
        return AllTargetsFailedError(tuple(self._job.ledger.attempts), self._last)

    def _pop(self) -> tuple[str, float] | None:
        if self._order:
            return self._order.popleft(), 0.0
        if self._again:
            target, error = self._again.popleft()
            return target, self._wait_s(target, error)
        return None

    def _wait_s(self, target: str, error: TargetError) -> float:
        """Seconds before `target` may be asked again; infinite when never."""
        asked = error.retry_after_s if isinstance(error, ThrottledError) else None
        wait = delay_ms(self._job.policy.retry, self._counts[target], self._uniform(), asked)
        return float("inf") if wait is None else wait / 1000.0
