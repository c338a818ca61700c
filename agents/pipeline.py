"""The one path of a request: context, resources, decision, cache, execution, record.

Hosts call `answer`, `stream` or `explain`; every host and every tier goes through here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agents.cache import CacheAgent
from agents.executor import Executor
from agents.guarding.release import Release
from agents.monitor import MonitorAgent
from agents.resource import ResourceAgent
from agents.router import RouterAgent
from agents.safety import SafetyAgent
from agents.sensing import Sensing
from agents.steps import Ending, Reading
from agents.streaming import told_at_once
from agents.turn import Turn
from agents.weighing import NOTHING_BESIDE, Beside, Weighing
from router_core.errors import GuardBlockedError, GuardUnavailableError, NoTargetError
from router_core.execution import Execution, Output, Usage
from router_core.inference import InferenceRequest, InferenceResponse, StreamEvent
from router_core.policy.rollout import place
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
        beside: Beside = NOTHING_BESIDE,
    ) -> None:
        self._router, self._thinking = RouterAgent(), beside.thinking
        self._resource, self._cache, self._executor = resource, cache, executor
        self._now = clock.monotonic_s
        self._specs = {spec.name: spec for spec in resource.specs()}
        sensing = None if beside.signals is None else Sensing(beside.signals, self._specs, clock)
        self._safety = beside.safety or SafetyAgent(clock)
        self._reading = Reading(cache, self._specs, sensing, beside.foresee, self._safety)
        self._ending = Ending(cache, monitor, self._specs, clock)

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        """The whole answer. Raises `NoTargetError`, `AllTargetsFailedError`, `DeadlineError`, or a guard's error."""
        turn = await self._decide(request)
        if turn.on_device:
            return self._ending.planned(turn)
        release = self._safety.release(request, turn)
        key = self._cache.key(turn.request, turn.context, turn.decision, turn.table.policy.cache)
        if key is not None and (hit := await self._cache.lookup(key)) is not None:
            return await self._reused(turn, release, *hit)
        job = self._ending.job(turn, "bypass" if key is None else "miss")
        try:
            execution = await release.executed(await self._executor.run(job))
        except BaseException as error:
            self._ending.failed(job, error)
            raise
        return release.restored(await self._ending.completed(turn, execution, key))

    async def stream(self, request: InferenceRequest) -> AsyncGenerator[StreamEvent, None]:
        """Opened, chunks and hand-offs, then the response. Raises as `answer` does, before or after Opened."""
        turn = await self._decide(request)
        release = self._safety.release(request, turn)
        key = self._cache.key(turn.request, turn.context, turn.decision, turn.table.policy.cache)
        if key is not None and (hit := await self._cache.lookup(key)) is not None:
            for event in _replayed(await self._reused(turn, release, *hit)):
                yield event
            return
        job = self._ending.job(turn, "bypass" if key is None else "miss")
        try:
            made = self._executor.stream(job)
            async with aclosing(made), aclosing(release.stream(made, job)) as parts:
                async for part in parts:
                    yield (
                        release.restored(await self._ending.completed(turn, part, key))
                        if isinstance(part, Execution)
                        else part
                    )
        except BaseException as error:
            self._ending.failed(job, error)
            raise

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        """Decide and tell; nothing is executed or recorded."""
        return (await self._routed(request)).explained(self._now())

    async def _reused(self, turn: Turn, release: Release, output: Output, usage: Usage) -> InferenceResponse:
        """An answer given before, under the rules of this request."""
        try:
            judged = await release.whole(output)
        except BaseException as error:
            self._ending.failed(self._ending.job(turn, "hit"), error)
            raise
        return release.restored(self._ending.reused(turn, judged, usage))

    async def _decide(self, request: InferenceRequest) -> Turn:
        try:
            turn = await self._routed(request)
        except NoTargetError as error:
            self._ending.refused(request, error)
            raise
        except (GuardBlockedError, GuardUnavailableError) as error:
            self._ending.blocked(request, error)
            raise
        self._ending.decided(turn)
        return turn

    async def _routed(self, request: InferenceRequest) -> Turn:
        """Context, snapshot and decision: the fast path, and for all but very long texts without a pause."""
        started = self._now()
        policy, canary = self._resource.table.policy, self._resource.canary
        if canary is not None and self._in_canary(request):
            policy = canary.policy
        request, context = await self._reading.read(request, policy)
        read = self._now()
        table, inflight = self._resource.view(policy)
        seen = self._now()
        decision = self._router.route(context, table, inflight)
        if table.thinks and self._thinking is not None:
            weighing = Weighing(
                request=request, context=context, decision=decision, table=table, inflight=inflight
            )
            weighing = await self._thinking.weigh(weighing, started)
            context, decision = weighing.context, weighing.decision
        return Turn(
            request=request,
            context=context,
            decision=decision,
            table=table,
            inflight=inflight,
            spec=self._specs[decision.target],
            marks_s=(started, read, seen, self._now()),
        )

    def _in_canary(self, request: InferenceRequest) -> bool:
        """Whether this session is one of those that the canary policy serves."""
        caller = request.caller
        fraction = place(caller.tenant, request.session_id, request.user, request.request_id)
        return fraction < self._resource.rollout.share


def _replayed(response: InferenceResponse) -> list[StreamEvent]:
    """A stored answer as the stream it would have been."""
    return [*told_at_once(response.decision, response.served, response.output, "hit"), response]
