"""The one path of a request: context, resources, decision, cache, execution, record.

Hosts call `answer`, `stream` or `explain`; every host and every tier goes through here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from agents.attempts import Job, nothing_served
from agents.cache import CacheAgent
from agents.context import ContextAgent, History, is_long
from agents.executor import Executor
from agents.monitor import MonitorAgent
from agents.resource import ResourceAgent
from agents.router import RouterAgent
from agents.turn import Turn
from router_core.errors import NoTargetError
from router_core.execution import Chunk, Execution, Output, Usage
from router_core.inference import TIERS, InferenceRequest, InferenceResponse, Opened, StreamEvent
from router_core.ports import Clock


class Pipeline:
    """The five agents and the executor, in order."""

    def __init__(
        self,
        *,
        resource: ResourceAgent,
        cache: CacheAgent,
        monitor: MonitorAgent,
        executor: Executor,
        clock: Clock,
    ) -> None:
        self._context, self._router = ContextAgent(), RouterAgent()
        self._resource, self._cache, self._monitor, self._executor = resource, cache, monitor, executor
        self._now = clock.monotonic_s
        self._specs = {spec.name: spec for spec in resource.specs()}
        embedders = [spec for spec in self._specs.values() if "embed" in spec.tasks]
        embedders.sort(key=lambda spec: (TIERS.index(spec.tier), spec.name))
        self._embedder = embedders[0].name if embedders else None

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        """The whole answer. Raises `NoTargetError`, `AllTargetsFailedError` or `DeadlineError`."""
        turn = await self._decide(request)
        if turn.on_device:
            return self._planned(turn)
        key = self._cache.key(request, turn.context, turn.decision, turn.table.policy.cache)
        if key is not None and (hit := await self._cache.lookup(key)) is not None:
            return self._reused(turn, *hit)
        job = self._job(turn, "bypass" if key is None else "miss")
        try:
            work = self._executor.embed if turn.context.task == "embed" else self._executor.run
            execution = await work(job)
        except BaseException as error:
            self._failed(job, error)
            raise
        return await self._completed(turn, execution, key)

    async def stream(self, request: InferenceRequest) -> AsyncGenerator[StreamEvent, None]:
        """Opened, chunks and hand-offs, then the response. Raises as `answer` does, before or after Opened."""
        turn = await self._decide(request)
        key = self._cache.key(request, turn.context, turn.decision, turn.table.policy.cache)
        if key is not None and (hit := await self._cache.lookup(key)) is not None:
            for event in _replayed(turn, self._reused(turn, *hit)):
                yield event
            return
        job = self._job(turn, "bypass" if key is None else "miss")
        try:
            async with aclosing(self._executor.stream(job)) as parts:
                async for part in parts:
                    yield await self._completed(turn, part, key) if isinstance(part, Execution) else part
        except BaseException as error:
            self._failed(job, error)
            raise

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        """Decide and tell; nothing is executed or recorded."""
        return (await self._routed(request)).explained(self._now())

    async def _decide(self, request: InferenceRequest) -> Turn:
        try:
            turn = await self._routed(request)
        except NoTargetError as error:
            self._monitor.refused(request.request_id, request.caller.tenant, error)
            raise
        self._monitor.decided(turn.context, turn.decision, turn.table, turn.inflight, turn.decision_s)
        return turn

    async def _routed(self, request: InferenceRequest) -> Turn:
        """Context, snapshot and decision: the fast path, and for all but very long texts without a pause."""
        started = self._now()
        if request.task == "embed":
            request = self._one_embedder(request)
        session, prefix = self._cache.recall(request)
        history = History(session_target=session, prefix_target=prefix)
        policy = self._resource.table.policy
        if is_long(request):
            # All of a text is scanned, however long; on the event loop that would make everybody else wait.
            context = await asyncio.to_thread(self._context.read, request, policy, history)
        else:
            context = self._context.read(request, policy, history)
        read = self._now()
        table, inflight = self._resource.view()
        seen = self._now()
        decision = self._router.route(context, table, inflight)
        return Turn(
            request=request,
            context=context,
            decision=decision,
            table=table,
            inflight=inflight,
            spec=self._specs[decision.target],
            marks_s=(started, read, seen, self._now()),
        )

    def _one_embedder(self, request: InferenceRequest) -> InferenceRequest:
        """Vectors of two models do not mix: without a named target it is always the same one, and nothing else."""
        preferences = request.preferences
        target = preferences.target or self._embedder
        return replace(request, preferences=replace(preferences, target=target, fallback=False))

    def _job(self, turn: Turn, cache: str = "bypass") -> Job:
        return Job(
            request=turn.request,
            context=turn.context,
            decision=turn.decision,
            specs=self._specs,
            policy=turn.table.policy,
            started_s=turn.marks_s[0],
            executing_s=self._now(),
            cache=cache,
        )

    def _planned(self, turn: Turn) -> InferenceResponse:
        job = self._job(turn)
        self._monitor.finished(turn.context, nothing_served(job, self._now()), "execute_on_device", "bypass")
        return turn.planned(self._now(), job.deadline_ms)

    def _reused(self, turn: Turn, output: Output, usage: Usage) -> InferenceResponse:
        self._monitor.finished(turn.context, nothing_served(self._job(turn), self._now()), "completed", "hit")
        response = turn.cached(self._now(), output, usage)
        self._monitor.added(response.timings.overhead_ms / 1000.0)
        return response

    async def _completed(self, turn: Turn, execution: Execution, key: str | None) -> InferenceResponse:
        if key is not None and execution.served.target == turn.decision.target and execution.handoff is None:
            await self._cache.store(key, execution.output, execution.usage, turn.table.policy.cache)
        cache = "bypass" if key is None else "miss"
        self._cache.remember(turn.request, execution.served.target)
        self._monitor.finished(turn.context, execution, "completed", cache)
        response = turn.completed(self._now(), execution, cache)
        self._monitor.added(response.timings.overhead_ms / 1000.0)
        return response

    def _failed(self, job: Job, error: BaseException) -> None:
        """A failed or abandoned request is recorded and billed like any other."""
        status = "failed" if isinstance(error, Exception) else "cancelled"
        self._monitor.finished(job.context, nothing_served(job, self._now()), status, job.cache)


def _replayed(turn: Turn, response: InferenceResponse) -> list[StreamEvent]:
    """A stored answer as the stream it would have been."""
    events: list[StreamEvent] = [Opened(decision=response.decision, served=response.served, cache="hit")]
    for choice in response.output.choices if response.output is not None else ():
        calls = tuple({**call, "index": i} for i, call in enumerate(choice.tool_calls))
        events.append(
            Chunk(index=choice.index, text=choice.text or "", tool_calls=calls, logprobs=choice.logprobs)
        )
        events.append(Chunk(index=choice.index, finish_reason=choice.finish_reason))
    return [*events, response]
