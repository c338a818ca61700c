"""One call of one target: watched, timed, billed, and its failure turned into a value whatever the adapter does."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final, Protocol

from agents.attempts import Answered, Job, Step
from agents.checking.verifier import mean_confidence
from agents.executing.calls import embed_call, model_call
from agents.progress import StreamAttempt
from router_core.errors import TargetError, UnavailableError
from router_core.execution import NO_USAGE, Chunk, Output, Usage
from router_core.ports import Clock, Embedder, Model, ModelCall
from router_core.resources import TargetSpec

log: Final = logging.getLogger("tierwise.executor")
Work = Callable[[Job, Step], Awaitable[Answered]]


class Watcher(Protocol):
    """Told of every attempt, so that health and load are known without asking."""

    def admits(self, target: str) -> bool: ...

    def enter(self, target: str) -> None: ...

    def leave(self, target: str, outcome: str, error: TargetError | None) -> None: ...


class Attempting:
    """All calls go through here."""

    def __init__(
        self, models: Mapping[str, Model], embedders: Mapping[str, Embedder], watcher: Watcher, clock: Clock
    ) -> None:
        self._models, self._embedders, self._watcher = models, embedders, watcher
        self._now = clock.monotonic_s

    def admits(self, spec: TargetSpec) -> bool:
        """Whether the target takes calls now."""
        return self._watcher.admits(spec.name)

    async def answer(self, job: Job, step: Step, *, told: bool) -> Answered | TargetError:
        """The request at one target: text, or vectors for `task: embed`. `told`: with how sure the target is, which costs
        the answer nothing and does not reach the caller."""
        if job.context.task == "embed":
            return await self._attempt(job, step, self._embed)
        call = model_call(job, step)
        if not told or call.params.extra.get("logprobs"):
            return await self.call(job, step, call)
        extra = {**call.params.extra, "logprobs": True}
        found = await self.call(job, step, replace(call, params=replace(call.params, extra=extra)))
        return found if isinstance(found, TargetError) else _without_logprobs(found)

    async def call(self, job: Job, step: Step, call: ModelCall) -> Answered | TargetError:
        """A call of its own, at the step's target."""
        return await self._attempt(job, step, lambda _, taken: self._called(taken.spec, call))

    async def chunks(self, attempt: StreamAttempt) -> AsyncGenerator[Chunk, None]:
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

    async def _called(self, spec: TargetSpec, call: ModelCall) -> Answered:
        answer = await self._models[spec.name].generate(call)
        sure = answer.confidence
        if sure is None and answer.choices:
            sure = mean_confidence(answer.choices[0])
        output = Output(choices=answer.choices, json=answer.json)
        return Answered(output=output, usage=answer.usage, confidence=sure)

    async def _embed(self, job: Job, step: Step) -> Answered:
        answer = await self._embedders[step.spec.name].embed(embed_call(job, step))
        return Answered(output=Output(choices=(), vectors=answer.vectors), usage=answer.usage)

    async def _attempt(self, job: Job, step: Step, work: Work) -> Answered | TargetError:
        spec, started = step.spec, self._now()
        self._watcher.enter(spec.name)
        outcome, usage, error = "cancelled", NO_USAGE, None
        try:
            answered = await work(job, step)
            outcome, usage = "check" if step.role == "check" else "ok", answered.usage
            return answered
        except Exception as caught:
            error = _as_target_error(caught)
            outcome = error.outcome
            return error
        finally:
            self._watcher.leave(spec.name, outcome, error)
            took_ms = (self._now() - started) * 1000.0
            if outcome == "cancelled" and job.ledger.racing:
                usage = _begun(job, spec, took_ms)
            job.ledger.add(step, outcome, usage, latency_ms=took_ms, error=error)


def _begun(job: Job, spec: TargetSpec, took_ms: float) -> Usage:
    """What a call that was called off has used, by the target's speed: nobody tells."""
    written = max(0.0, took_ms - spec.rtt_ms - spec.ttft_ms) / spec.decode_ms if spec.decode_ms > 0.0 else 0.0
    return Usage(
        prompt_tokens=job.context.prompt_tokens,
        completion_tokens=min(int(written), job.context.max_output_tokens),
        estimated=True,
    )


def _without_logprobs(answered: Answered) -> Answered:
    output = answered.output
    choices = tuple(replace(choice, logprobs=None) for choice in output.choices)
    return replace(answered, output=replace(output, choices=choices))


def _as_target_error(caught: Exception) -> TargetError:
    """Adapters raise only target errors; a defect in one must cost an attempt, not the request."""
    if isinstance(caught, TargetError):
        return caught
    log.exception("an adapter raised %s", type(caught).__name__)
    return UnavailableError("the target's adapter failed unexpectedly")
