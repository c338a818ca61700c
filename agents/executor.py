"""Runs a decision: attempts inside one deadline, the next target when one fails, hand-off when a stream dies.

The only place that retries, and only over the decision's own list, so no retry or fallback can reach a target that
the filters removed. Before the first chunk a fallback is invisible; after it, a plain-text stream goes on at the next
target from the text the client already has, anything else ends in an error the client can see.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final, Protocol

from agents.attempts import Job, Step, Tried, Tries, untried
from agents.progress import Progress, StreamAttempt
from agents.streaming import Accepted
from router_core.errors import TargetError, UnavailableError
from router_core.execution import NO_USAGE, Chunk, Execution, Handoff, Output, Usage
from router_core.inference import Opened, Params
from router_core.ports import Clock, EmbedCall, Embedder, Model, ModelCall
from router_core.resources import TargetSpec

log: Final = logging.getLogger("tierwise.executor")


class Watcher(Protocol):
    """Told of every attempt, so that health and load are known without asking."""

    def admits(self, target: str) -> bool: ...

    def enter(self, target: str) -> None: ...

    def leave(self, target: str, outcome: str, error: TargetError | None) -> None: ...


Work = Callable[[Job, Step], Awaitable[tuple[Output, Usage]]]


class Executor:
    """`uniform` draws the back-off's jitter in [0, 1)."""

    def __init__(
        self,
        models: Mapping[str, Model],
        embedders: Mapping[str, Embedder],
        watcher: Watcher,
        clock: Clock,
        uniform: Callable[[], float],
    ) -> None:
        self._models, self._embedders, self._watcher, self._uniform = models, embedders, watcher, uniform
        self._now = clock.monotonic_s

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
        """One attempt at the next target. None when it failed and another may follow; raises as `run` does when
        nothing is left."""
        step = tries.next(self._admitted)
        if step is None:
            raise tries.failure()
        if step.wait_s:
            await asyncio.sleep(step.wait_s)
        result = await self._attempt(
            job, step, self._embed if job.context.task == "embed" else self._generate
        )
        if not isinstance(result, TargetError):
            return job.execution(step.spec, *result, now=self._now())
        tries.failed(step.spec.name, result)
        if tries.over and tries.next() is None:
            raise tries.failure()
        return None

    async def _generate(self, job: Job, step: Step) -> tuple[Output, Usage]:
        answer = await self._models[step.spec.name].generate(_call(job, step))
        return Output(choices=answer.choices, json=answer.json), answer.usage

    async def _embed(self, job: Job, step: Step) -> tuple[Output, Usage]:
        answer = await self._embedders[step.spec.name].embed(_embed_call(job, step))
        return Output(choices=(), vectors=answer.vectors), answer.usage

    async def stream(self, job: Job) -> AsyncGenerator[Opened | Chunk | Handoff | Execution, None]:
        """Opened, chunks and hand-offs, then the account. Raises as `run` does, before or after Opened."""
        tries, progress = self.tries(job), Progress(job)
        while (step := tries.next(lambda spec: progress.suits(spec) and self._admitted(spec))) is not None:
            if step.wait_s:
                await asyncio.sleep(step.wait_s)
            attempt = StreamAttempt(job, step, progress.accepted, _call(job, step, progress.accepted))
            async with aclosing(self._events(attempt, progress)) as events:
                async for event in events:
                    yield event
            if attempt.error is None:
                yield progress.finished(step.spec, attempt.usage, self._now())
                return
            tries.failed(step.spec.name, attempt.error)
            if not progress.goes_on(step.spec):
                break
        raise tries.failure()

    async def _events(
        self, attempt: StreamAttempt, progress: Progress
    ) -> AsyncGenerator[Opened | Chunk | Handoff, None]:
        """What one attempt gives the client."""
        async with aclosing(self._chunks(attempt)) as chunks:
            async for chunk in chunks:
                for event in progress.take(attempt.step.spec, chunk):
                    yield event

    def _admitted(self, spec: TargetSpec) -> bool:
        return self._watcher.admits(spec.name)

    async def _attempt(self, job: Job, step: Step, work: Work) -> tuple[Output, Usage] | TargetError:
        spec, started = step.spec, self._now()
        self._watcher.enter(spec.name)
        outcome, usage, error = "cancelled", NO_USAGE, None
        try:
            output, usage = await work(job, step)
            outcome = "ok"
            return output, usage
        except Exception as caught:
            error = _as_target_error(caught)
            outcome = error.outcome
            return error
        finally:
            self._watcher.leave(spec.name, outcome, error)
            job.ledger.add(spec, outcome, usage, latency_ms=(self._now() - started) * 1000.0, error=error)

    async def _chunks(self, attempt: StreamAttempt) -> AsyncGenerator[Chunk, None]:
        """Chunks of one attempt. A target's failure ends them and is left in `attempt.error`; usage, times
        and outcome are noted however it ends."""
        spec, started = attempt.step.spec, self._now()
        self._watcher.enter(spec.name)
        outcome = "cancelled"
        try:
            async with aclosing(self._models[spec.name].stream(attempt.call)) as chunks:
                async for chunk in chunks:
                    attempt.seen(chunk, (self._now() - started) * 1000.0)
                    yield chunk
            outcome = attempt.ended(None)
        except Exception as caught:
            outcome = attempt.ended(_as_target_error(caught))
        finally:
            self._watcher.leave(spec.name, outcome, attempt.error)
            attempt.note(outcome, (self._now() - started) * 1000.0)


def _call(job: Job, step: Step, accepted: Accepted | None = None) -> ModelCall:
    request = job.request
    begun = accepted is not None and not accepted.empty
    return ModelCall(
        request_id=request.request_id,
        model=step.spec.model,
        messages=request.messages,
        params=_bounded(job, step, accepted.spent() if accepted is not None and begun else 0),
        task=job.context.task,
        timeout_s=step.timeout_s,
        idle_s=job.policy.limits.stream_idle_ms / 1000.0,
        continuation=accepted.text if accepted is not None and begun else None,
        user=request.user,
        min_confidence=job.policy.thresholds.device_confidence,
    )


def _embed_call(job: Job, step: Step) -> EmbedCall:
    dimensions = job.request.params.extra.get("dimensions")
    return EmbedCall(
        request_id=job.request.request_id,
        model=step.spec.model,
        inputs=tuple(str(message["content"]) for message in job.request.messages),
        timeout_s=step.timeout_s,
        dimensions=dimensions if isinstance(dimensions, int) else None,
    )


def _bounded(job: Job, step: Step, spent: int) -> Params:
    """A priced target never writes more than the estimate that the budget was checked against."""
    params, spec = job.request.params, step.spec
    limit = params.max_tokens
    if limit is None and spec.price_out > 0:
        limit = job.context.max_output_tokens
    if limit is None:
        return params
    limit = max(1, min(limit, spec.max_output_tokens) - spent)
    return params if limit == params.max_tokens else replace(params, max_tokens=limit)


def _as_target_error(caught: Exception) -> TargetError:
    """Adapters raise only target errors; a defect in one must cost an attempt, not the request."""
    if isinstance(caught, TargetError):
        return caught
    log.exception("an adapter raised %s", type(caught).__name__)
    return UnavailableError("the target's adapter failed unexpectedly")
