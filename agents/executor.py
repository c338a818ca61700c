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

from agents.attempts import Job, Step, Tries, served_by
from agents.streaming import Accepted, joined_usage
from router_core.errors import TargetError, UnavailableError
from router_core.execution import NO_USAGE, Chunk, Execution, Handoff, Output, Usage
from router_core.inference import Opened, Params
from router_core.ports import Clock, EmbedCall, Embedder, Model, ModelCall

log: Final = logging.getLogger("tierwise.executor")


class Watcher(Protocol):
    """Told of every attempt, so that health and load are known without asking."""

    def enter(self, target: str) -> None: ...

    def leave(self, target: str) -> None: ...

    def observe(self, target: str, error: TargetError | None) -> None: ...


Work = Callable[[Step], Awaitable[tuple[Output, Usage]]]


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
        """The whole answer. Raises `AllTargetsFailedError` or `DeadlineError`, both with the attempts."""

        async def generate(step: Step) -> tuple[Output, Usage]:
            answer = await self._models[step.spec.name].generate(_call(job, step))
            return Output(choices=answer.choices, json=answer.json), answer.usage

        return await self._run(job, generate)

    async def embed(self, job: Job) -> Execution:
        """Vectors of the request's messages, one each, in order; errors as in `run`."""

        async def embed(step: Step) -> tuple[Output, Usage]:
            answer = await self._embedders[step.spec.name].embed(_embed_call(job, step))
            return Output(choices=(), vectors=answer.vectors), answer.usage

        return await self._run(job, embed)

    async def _run(self, job: Job, work: Work) -> Execution:
        tries = Tries(job, self._now, self._uniform)
        while (step := tries.next()) is not None:
            if step.wait_s:
                await asyncio.sleep(step.wait_s)
            result = await self._attempt(job, step, work)
            if not isinstance(result, TargetError):
                return job.execution(step.spec, *result, now=self._now())
            tries.failed(step.spec.name, result)
        raise tries.failure()

    async def stream(self, job: Job) -> AsyncGenerator[Opened | Chunk | Handoff | Execution, None]:
        """Opened, chunks, hand-offs, then the account. Errors are raised as in `run`; once opened, also `TargetError`s'
        end of the list."""
        tries, accepted = Tries(job, self._now, self._uniform), Accepted()
        source: str | None = None
        opened, handoff, before = False, None, 0
        while (step := tries.next(lambda spec: accepted.empty or spec.continues)) is not None:
            if step.wait_s:
                await asyncio.sleep(step.wait_s)
            attempt = _StreamAttempt(job, step, accepted)
            try:
                async with aclosing(self._chunks(attempt)) as chunks:
                    async for chunk in chunks:
                        if not opened:
                            opened = True
                            yield Opened(decision=job.decision, served=served_by(step.spec), cache="miss")
                        elif source is not None:
                            handoff = Handoff(source=source, to=step.spec.name, at_chars=len(accepted.text))
                            yield handoff
                        source = None
                        accepted.add(chunk)
                        yield chunk
            except TargetError as error:
                tries.failed(step.spec.name, error)
                source, before = (step.spec.name, accepted.tokens()) if opened else (None, 0)
                if accepted.empty or job.request.params.continuable:
                    continue
                raise tries.failure() from error
            usage = joined_usage(job.context.prompt_tokens, before, attempt.usage, accepted.tokens())
            yield job.execution(step.spec, accepted.output(), usage, now=self._now(), handoff=handoff)
            return
        raise tries.failure()

    async def _attempt(self, job: Job, step: Step, work: Work) -> tuple[Output, Usage] | TargetError:
        spec, started = step.spec, self._now()
        self._watcher.enter(spec.name)
        outcome, usage, error = "cancelled", NO_USAGE, None
        try:
            output, usage = await work(step)
            outcome = "ok"
            return output, usage
        except Exception as caught:
            error = _as_target_error(caught)
            outcome = error.outcome
            return error
        finally:
            self._watcher.leave(spec.name)
            if outcome != "cancelled":
                self._watcher.observe(spec.name, error)
            job.ledger.add(spec, outcome, usage, latency_ms=(self._now() - started) * 1000.0, error=error)

    async def _chunks(self, attempt: _StreamAttempt) -> AsyncGenerator[Chunk, None]:
        """Content chunks of one attempt; its usage, times and outcome are noted however it ends."""
        spec, started = attempt.step.spec, self._now()
        self._watcher.enter(spec.name)
        outcome, error, ttft_ms = "cancelled", None, None
        try:
            async with aclosing(self._models[spec.name].stream(attempt.call)) as chunks:
                async for chunk in chunks:
                    if ttft_ms is None:
                        ttft_ms = (self._now() - started) * 1000.0
                    if chunk.usage is not None:
                        attempt.usage = chunk.usage
                    else:
                        yield chunk
            if not attempt.accepted.finished:
                raise UnavailableError("the stream ended before the answer did")
            outcome = "ok"
        except Exception as caught:
            if attempt.accepted.finished:
                outcome = "ok"
                return
            error = _as_target_error(caught)
            outcome = error.outcome
            raise error from caught
        finally:
            self._watcher.leave(spec.name)
            if outcome != "cancelled":
                self._watcher.observe(spec.name, error)
            attempt.note(outcome, (self._now() - started) * 1000.0, ttft_ms, error)


class _StreamAttempt:
    """One target's part of a stream: what it was asked, and what it must be billed for."""

    def __init__(self, job: Job, step: Step, accepted: Accepted) -> None:
        self.job, self.step, self.accepted = job, step, accepted
        self.before = accepted.tokens() if not accepted.empty else 0
        self.call = _call(job, step, continuation=accepted.text or None, spent=self.before)
        self.usage: Usage | None = None

    def note(self, outcome: str, latency_ms: float, ttft_ms: float | None, error: TargetError | None) -> None:
        """Add the attempt to the ledger. Without a usage report, what the client got is counted."""
        usage, spec = self.usage, self.step.spec
        if usage is None:
            written = self.accepted.tokens() - self.before
            prompt = self.job.context.prompt_tokens if written or outcome == "ok" else 0
            usage = Usage(prompt_tokens=prompt, completion_tokens=written, estimated=True)
        self.job.ledger.add(spec, outcome, usage, latency_ms=latency_ms, ttft_ms=ttft_ms, error=error)


def _call(job: Job, step: Step, *, continuation: str | None = None, spent: int = 0) -> ModelCall:
    request = job.request
    return ModelCall(
        request_id=request.request_id,
        model=step.spec.model,
        messages=request.messages,
        params=_bounded(job, step, spent),
        task=job.context.task,
        timeout_s=step.timeout_s,
        idle_s=job.policy.limits.stream_idle_ms / 1000.0,
        continuation=continuation,
        user=request.user,
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
