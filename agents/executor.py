"""Runs a decision: attempts inside one deadline, the next target when one fails, hand-off when a stream dies.

The only place that retries, and only over the decision's own list, so no retry, fallback, check or second target can reach
what the filters removed. Before the first chunk a fallback is invisible; after it, a plain-text stream goes on at the next
target from the text the client already has, anything else ends in an error the client can see. An answer that its check
does not keep is followed by a better target's, or given all the same where none comes in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from agents.attempts import Answered, Job, Step, Tried, Tries, untried
from agents.checking.check import Checker
from agents.checking.forecast import affordable
from agents.executing.attempting import Attempting
from agents.executing.calls import model_call
from agents.executing.hedging import Hedger, race
from agents.executing.opening import Opening, opened, settle
from agents.progress import Progress, StreamAttempt
from agents.streaming import told_at_once
from router_core.errors import DeadlineError, TargetError
from router_core.execution import Chunk, Execution, Handoff
from router_core.inference import Opened
from router_core.learning.verification import UNFITTED, Keeping
from router_core.ports import Clock
from router_core.record import dataclass
from router_core.resources import TargetSpec

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """An answer that came, its chance to be right as far as it was checked, and whether it is kept."""

    spec: TargetSpec
    answered: Answered
    kept: bool = True
    chance: float = 1.0


def unfitted() -> Keeping:
    """The declared weights: what decides on answers before anything was judged."""
    return UNFITTED


class Executor:
    """`uniform` draws the back-off's jitter in [0, 1); `keeping` gives what decides whether a checked answer is kept."""

    def __init__(
        self,
        calls: Attempting,
        clock: Clock,
        uniform: Callable[[], float],
        keeping: Callable[[], Keeping] = unfitted,
    ) -> None:
        self._calls, self._uniform, self._now = calls, uniform, clock.monotonic_s
        self._checker, self._hedger = Checker(calls.call, keeping, self._now), Hedger()

    async def run(self, job: Job) -> Execution:
        """The whole answer: text, or for `task: embed` vectors of the messages, one each, in order. Raises
        `AllTargetsFailedError` or `DeadlineError`, both with the attempts."""
        tries = self.tries(job)
        while (execution := await self.leg(job, tries)) is None:
            pass
        return execution

    def tries(self, job: Job, tried: Tried | None = None) -> Tries:
        """The walk over the decision's targets, from the beginning or from where another machine left it."""
        return Tries(job, tried or untried(job), self._now, self._uniform)

    async def leg(self, job: Job, tries: Tries) -> Execution | None:
        """One attempt at the next target, and where its answer is not kept, those that follow it. None when it failed and
        another may follow; raises as `run` does when nothing is left."""
        held: Round | None = None
        while (step := self._following(job, tries, held)) is not None:
            if step.wait_s:
                await asyncio.sleep(step.wait_s)
            came = await self._round(job, step, tries)
            if came is not None and came.kept:
                return self._account(job, came)
            if came is not None:
                held = came if held is None or came.chance > held.chance else held
            elif held is None:
                if tries.over and tries.next() is None:
                    break
                return None
        if held is None:
            raise tries.failure()
        return self._account(job, held)

    async def stream(self, job: Job) -> AsyncGenerator[Opened | Chunk | Handoff | Execution, None]:
        """Opened, chunks and hand-offs, then the account. Raises as `run` does, before or after Opened. An answer that is
        checked comes in one piece, once it is kept."""
        if self._checker.holds_back(job):
            execution = await self.run(job)
            for told in told_at_once(job.decision, execution.served, execution.output, job.cache):
                yield told
            yield execution
            return
        tries, progress = self.tries(job), Progress(job)
        while (
            step := tries.next(lambda spec: progress.suits(spec) and self._calls.admits(spec))
        ) is not None:
            if step.wait_s:
                await asyncio.sleep(step.wait_s)
            opening = await self._opening(job, step, tries, progress)
            attempt = opening.attempt
            async with aclosing(opening.events(progress)) as events:
                async for event in events:
                    yield event
            if attempt.error is None:
                yield progress.finished(attempt.step.spec, attempt.usage, self._now())
                return
            tries.failed(attempt.step.spec.name, attempt.error)
            if not progress.goes_on(attempt.step.spec):
                break
        raise tries.failure()

    def _following(self, job: Job, tries: Tries, held: Round | None) -> Step | None:
        """The next step. After an answer that was not kept only a better target is worth one, and no time left is no
        error."""
        if held is None:
            return tries.next(self._calls.admits)
        better = self._checker.better(job, held.spec, held.chance)
        try:
            return tries.next(lambda spec: better(spec) and self._calls.admits(spec))
        except DeadlineError:
            return None

    async def _round(self, job: Job, step: Step, tries: Tries) -> Round | None:
        """One step to its end, with a second target beside it where the policy says so and the first is late. None when
        no answer came; failures are noted."""
        patience_s = self._patience_s(job, step)
        if patience_s is None:
            return await self._tried(job, step, tries)
        came = await race(
            self._tried(job, step, tries),
            lambda: self._beside(job, step, tries, lambda other: self._tried(job, other, tries)),
            lambda result: result is not None and result.kept,
            patience_s=patience_s,
            left_s=job.left_s(self._now()),
        )
        return max((one for one in came if one is not None), key=lambda one: one.chance, default=None)

    async def _tried(self, job: Job, step: Step, tries: Tries) -> Round | None:
        """One attempt, and the check of its answer."""
        started, spec = self._now(), step.spec
        answered = await self._calls.answer(job, step, told=self._checker.wants_told(job, spec))
        if isinstance(answered, TargetError):
            tries.failed(spec.name, answered)
            return None
        self._hedger.took(job, step, (self._now() - started) * 1000.0)
        checked = await self._checker.check(job, spec, answered, tries.waiting)
        if checked is None:
            return Round(spec=spec, answered=answered)
        job.ledger.checked(spec.name, checked)
        return Round(spec=spec, answered=answered, kept=checked.kept, chance=checked.chance)

    async def _opening(self, job: Job, step: Step, tries: Tries, progress: Progress) -> Opening:
        """The stream to read: that of `step`, or of a second target whose first chunk was there before."""
        first = self._begin(job, step, progress)
        patience_s = self._patience_s(job, step) if progress.accepted.empty else None
        if patience_s is None:
            return first
        begun = [first]

        def another(other: Step) -> Coroutine[Any, Any, Opening]:
            begun.append(self._begin(job, other, progress))
            return opened(begun[-1])

        came = await race(
            opened(first),
            lambda: self._beside(job, step, tries, another),
            lambda result: result.chunk is not None,
            patience_s=patience_s,
            left_s=job.left_s(self._now()),
        )
        winner = await settle(came, begun, tries)
        self._hedger.took(job, winner.attempt.step, winner.attempt.ttft_ms)
        return winner

    def _begin(self, job: Job, step: Step, progress: Progress) -> Opening:
        call = model_call(job, step, progress.accepted)
        attempt = StreamAttempt(job, step, progress.accepted, call)
        return Opening(attempt=attempt, chunks=self._calls.chunks(attempt))

    def _patience_s(self, job: Job, step: Step) -> float | None:
        """Seconds until a second target is asked beside this one; None where none is: only the first choice is hedged."""
        return None if job.ledger.attempts else self._hedger.patience_s(job, step)

    def _beside(self, job: Job, first: Step, tries: Tries, start: Callable[[Step], T]) -> T | None:
        """The next target beside `first`, where the budget bears both."""
        cost = job.most_usd(first.spec)
        fits = any(affordable(job, spec, cost) for spec in tries.waiting)
        if not fits or not self._hedger.may(job):
            return None
        step = tries.next(lambda spec: affordable(job, spec, cost) and self._calls.admits(spec))
        if step is None:
            return None
        job.ledger.racing = True
        return start(replace(step, role="hedge"))

    def _account(self, job: Job, came: Round) -> Execution:
        answered = came.answered
        if job.ledger.racing:
            job.ledger.chosen(came.spec.name)
        execution = job.execution(came.spec, answered.output, answered.usage, now=self._now())
        return execution if came.kept else replace(execution, unverified=True)
