"""The parts of the path that are the same in one process and stage by stage: reading a request, and ending it.

`agents.pipeline` calls them one after the other, `agents.staged.stages` on machines of their own; so neither has a rule that
the other lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from agents.attempts import Job, nothing_served
from agents.cache import CacheAgent
from agents.context import NO_FINDINGS, NO_HISTORY, ContextAgent, Findings, Foresee, History, is_long
from agents.monitor import MonitorAgent
from agents.safety import SafetyAgent
from agents.sensing import Sensing
from agents.turn import Turn
from router_core.context import RequestContext
from router_core.errors import GuardBlockedError, GuardUnavailableError, NoTargetError, TierwiseError
from router_core.execution import Execution, Output, Usage
from router_core.inference import TIERS, InferenceRequest, InferenceResponse
from router_core.policy.document import Policy
from router_core.ports import Clock
from router_core.resources import TargetSpec


class Reading:
    """Request in, context out; and the request as it is served, which services outside may have put in other words."""

    def __init__(
        self,
        cache: CacheAgent,
        specs: Mapping[str, TargetSpec],
        sensing: Sensing | None = None,
        foresee: Foresee | None = None,
        safety: SafetyAgent | None = None,
    ) -> None:
        self._safety = safety
        self._context, self._cache, self._sensing = ContextAgent(foresee), cache, sensing
        embedders = [spec for spec in specs.values() if "embed" in spec.tasks]
        embedders.sort(key=lambda spec: (TIERS.index(spec.tier), spec.name))
        self._embedder = embedders[0].name if embedders else None

    async def read(
        self, request: InferenceRequest, policy: Policy
    ) -> tuple[InferenceRequest, RequestContext]:
        """The fast path, and without services outside for all but very long texts without a pause."""
        asked = self._one_embedder(request) if request.task == "embed" else request
        session, prefix = self._cache.recall(request)
        history = History(session_target=session, prefix_target=prefix)
        if is_long(asked):
            context = await self._beside(asked, policy, history)
        else:
            context = self._context.read(asked, policy, history)
        if self._sensing is None:
            return await self._screened(request, context, policy, history)

        async def again(changed: InferenceRequest, findings: Findings) -> RequestContext:
            return await self._beside(changed, policy, history, findings)

        served, context = await self._sensing.sense(asked, context, policy, again)
        return await self._screened(request if served is asked else served, context, policy, history)

    async def _screened(
        self, request: InferenceRequest, context: RequestContext, policy: Policy, history: History
    ) -> tuple[InferenceRequest, RequestContext]:
        """What the safety agent leaves of it. Raises `GuardBlockedError` or `GuardUnavailableError`."""
        safety = self._safety
        if safety is None or not safety.concerned(context, policy):
            return request, context

        async def again(changed: InferenceRequest) -> RequestContext:
            findings = await self._told(request, context, policy) if context.consulted else NO_FINDINGS
            asked = self._one_embedder(changed) if changed.task == "embed" else changed
            return await self._beside(asked, policy, history, findings)

        return await safety.screen(request, context, policy, again)

    async def _told(self, request: InferenceRequest, context: RequestContext, policy: Policy) -> Findings:
        """What services outside said beyond what we read ourselves."""
        own = await self._beside(request, policy, NO_HISTORY)
        kinds = tuple(kind for kind in context.pii if kind not in own.pii)
        return Findings(kinds=kinds, upset=context.upset, consulted=context.consulted)

    async def _beside(
        self,
        request: InferenceRequest,
        policy: Policy,
        history: History,
        findings: Findings = NO_FINDINGS,
    ) -> RequestContext:
        """On a thread: all of a text is scanned, however long; on the event loop that would make everybody else wait."""
        return await asyncio.to_thread(self._context.read, request, policy, history, findings)

    def _one_embedder(self, request: InferenceRequest) -> InferenceRequest:
        """Vectors of two models do not mix: without a named target it is always the same one, and nothing else."""
        preferences = request.preferences
        target = preferences.target or self._embedder
        return replace(request, preferences=replace(preferences, target=target, fallback=False))


class Ending:
    """Every way a request ends: recorded, learned from, and turned into its response."""

    def __init__(
        self, cache: CacheAgent, monitor: MonitorAgent, specs: Mapping[str, TargetSpec], clock: Clock
    ) -> None:
        self._cache, self._monitor, self._specs = cache, monitor, specs
        self._now = clock.monotonic_s

    def job(self, turn: Turn, cache: str = "bypass") -> Job:
        """The decided request as the executor takes it, from now on."""
        return turn.job(self._specs, self._now(), cache=cache)

    def refused(self, request: InferenceRequest, error: NoTargetError) -> None:
        """No target was left."""
        self._monitor.refused(request.request_id, request.caller.tenant, error)

    def blocked(self, request: InferenceRequest, error: GuardBlockedError | GuardUnavailableError) -> None:
        """The guard did not let it in."""
        self._monitor.blocked(request.request_id, request.caller.tenant, error)

    def decided(self, turn: Turn) -> None:
        """A target was chosen."""
        self._monitor.decided(turn.context, turn.decision, turn.table, turn.inflight, turn.decision_s)

    def planned(self, turn: Turn) -> InferenceResponse:
        """The caller's device executes it."""
        job = self.job(turn)
        self._monitor.finished(turn.context, nothing_served(job, self._now()), "execute_on_device", "bypass")
        return turn.planned(self._now(), job.deadline_ms)

    def reused(self, turn: Turn, output: Output, usage: Usage) -> InferenceResponse:
        """It was answered before."""
        self._monitor.finished(turn.context, nothing_served(self.job(turn), self._now()), "completed", "hit")
        response = turn.cached(self._now(), output, usage)
        self._monitor.added(response.timings.overhead_ms / 1000.0)
        return response

    async def completed(self, turn: Turn, execution: Execution, key: str | None) -> InferenceResponse:
        """A target answered; `key` is the answer's place in the cache."""
        as_planned = execution.served.target == turn.decision.target and execution.handoff is None
        if key is not None and as_planned and not execution.unverified:
            await self._cache.store(key, execution.output, execution.usage, turn.table.policy.cache)
        cache = "bypass" if key is None else "miss"
        self._cache.remember(turn.request, execution.served.target)
        self._monitor.finished(turn.context, execution, "completed", cache)
        response = turn.completed(self._now(), execution, cache)
        self._monitor.added(response.timings.overhead_ms / 1000.0)
        return response

    def failed(self, job: Job, error: BaseException) -> None:
        """A failed or abandoned request is recorded and billed like any other; its error tells which policy decided."""
        if isinstance(error, TierwiseError):
            error.policy = job.decision.policy
        status = "failed" if isinstance(error, Exception) else "cancelled"
        self._monitor.finished(job.context, nothing_served(job, self._now()), status, job.cache)
