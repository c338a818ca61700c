"""The one place where the agents are put together from ports. Hosts build the ports; nothing else is injected."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Final

from agents.cache import CacheAgent
from agents.context import Foresee
from agents.executing.attempting import Attempting
from agents.executor import Executor, unfitted
from agents.guarding.outside import NO_GUARDS, Guards
from agents.monitor import MonitorAgent
from agents.others import READ_S, Others, SharedResiduals
from agents.pipeline import Pipeline
from agents.resource import ResourceAgent, TargetView
from agents.safety import SafetyAgent
from agents.sensing import SignalServices
from agents.weighing import Beside, Deliberating
from router_core.events import Judgement
from router_core.execution import Attempt, DeviceOutcome, Usage
from router_core.inference import EmbedRequest, InferenceRequest, InferenceResponse, Params, StreamEvent
from router_core.learning.judge_correction import Rates
from router_core.learning.verification import Keeping
from router_core.monitoring import MonitorSnapshot
from router_core.policy.rollout import Rollout
from router_core.ports import (
    AffinityFeed,
    Clock,
    Embedder,
    EventSink,
    HealthProbe,
    Model,
    PolicySource,
    ResponseStore,
    StateStore,
)
from router_core.record import dataclass
from router_core.resources import TargetSpec

REFRESH_S: Final = 0.5
"""How often probes run and the snapshot is rebuilt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything the agents need from outside, by target name where there is one per target."""

    models: Mapping[str, Model]
    embedders: Mapping[str, Embedder]
    probes: Mapping[str, HealthProbe]
    responses: ResponseStore
    events: EventSink
    policy: PolicySource
    clock: Clock
    shared: StateStore | None = None
    """State that all gateways see; None where each stands alone."""
    affinity: AffinityFeed | None = None
    signals: SignalServices | None = None
    thinking: Deliberating | None = None
    foresee: Foresee | None = None
    """The learned scorer; asked while the policy gives it a share."""
    guards: Guards = NO_GUARDS
    """Who is asked about content, where the policy's rules name them."""
    keeping: Callable[[], Keeping] = unfitted
    """What decides whether a checked answer is kept, as it was fitted last."""


class Router:
    """The assembled agents behind the verbs a host calls."""

    def __init__(self, specs: tuple[TargetSpec, ...], ports: Ports) -> None:
        self._ports = ports
        self._resource = ResourceAgent(specs, ports.policy.rollout(), ports.clock)
        self._monitor = MonitorAgent(specs, ports.events, ports.clock)
        self._safety = SafetyAgent(ports.clock, ports.guards)
        calls = Attempting(ports.models, ports.embedders, self._resource, ports.clock)
        executor = Executor(calls, ports.clock, random.random, ports.keeping)
        self._pipeline = Pipeline(
            resource=self._resource,
            cache=CacheAgent(ports.responses, ports.affinity),
            monitor=self._monitor,
            executor=executor,
            clock=ports.clock,
            beside=Beside(
                signals=ports.signals, thinking=ports.thinking, foresee=ports.foresee, safety=self._safety
            ),
        )
        self._others = None if ports.shared is None else Others(specs, ports.shared, ports.clock)
        self._residuals = SharedResiduals(self._monitor.learner, specs, ports.shared, ports.clock)
        self._uniform = random.random
        self._tasks: list[asyncio.Task[None]] = []

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        """See `Pipeline.answer`."""
        return await self._pipeline.answer(request)

    def stream(self, request: InferenceRequest) -> AsyncGenerator[StreamEvent, None]:
        """See `Pipeline.stream`."""
        return self._pipeline.stream(request)

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        """See `Pipeline.explain`."""
        return await self._pipeline.explain(request)

    async def embed(self, request: EmbedRequest) -> InferenceResponse:
        """Vectors of the inputs, in order, all from one model."""
        return await self._pipeline.answer(embedding(request))

    async def feedback(
        self, tenant: str, request_id: str, target: str, score: float, comment_length: int = 0
    ) -> None:
        """A user's judgement, in [0, 1], of an answer that `target` gave."""
        self._taught(request_id, target, score)
        self._monitor.judged(
            tenant,
            request_id,
            target,
            Judgement(source="feedback", score=score, comment_length=comment_length),
        )

    async def scored(self, tenant: str, request_id: str, target: str, score: float) -> None:
        """A judge's score, in [0, 1], of an answer that `target` gave."""
        self._taught(request_id, target, score)
        self._monitor.judged(tenant, request_id, target, Judgement(source="judge", score=score))

    def _taught(self, request_id: str, target: str, score: float) -> None:
        """What thinks twice learns from judgements whether that was worth it."""
        if self._ports.thinking is not None:
            self._ports.thinking.judged(request_id, target, score)

    def calibrated(self, source: str, rates: Rates) -> None:
        """How right the judges of this `source` were found to be, on labelled answers."""
        self._monitor.learner.audit.rates[source] = rates

    async def outcome(self, tenant: str, request_id: str, target: str, report: DeviceOutcome) -> None:
        """What a device made of its plan."""
        attempt = Attempt(
            target=target,
            outcome="ok" if report.status == "completed" else "unavailable",
            latency_ms=report.latency_ms or 0.0,
            error=report.error,
            usage=Usage(completion_tokens=report.output_tokens or 0, estimated=True),
        )
        self._monitor.reported(tenant, request_id, attempt)
        if report.quality is not None:
            self._monitor.judged(tenant, request_id, target, Judgement(source="check", score=report.quality))

    def targets(self) -> tuple[TargetView, ...]:
        """All targets with their state, ordered by name."""
        return self._resource.targets()

    def drain(self, target: str, draining: bool) -> None:
        """Take a target out of, or back into, service. Raises `NotFoundError`."""
        self._resource.drain(target, draining)

    def place(self, target: str, residency: str) -> None:
        """How the model of a target stands on its nodes: a word for operators."""
        self._resource.place(target, residency)

    def rollout(self) -> Rollout:
        """The policies in force, and the share of sessions that the canary serves."""
        return self._resource.rollout

    def snapshot(self) -> MonitorSnapshot:
        """All figures of this process."""
        views, thinking = self._resource.targets(), self._ports.thinking
        seen = self._monitor.snapshot(
            up={view.name: view.health == "up" for view in views},
            inflight={view.name: view.inflight for view in views},
            dropped=getattr(self._ports.events, "dropped", 0),
            policy_refused=self._ports.policy.refused,
        )
        seen = replace(seen, guard=self._safety.verdicts.numbers())
        return seen if thinking is None else replace(seen, deliberation=thinking.numbers())

    async def start(self) -> None:
        """Look at every target once, then keep looking in the background."""
        await self.look()
        self._tasks = [asyncio.create_task(self._watch(name)) for name in self._ports.probes]
        self._tasks.append(asyncio.create_task(self._keep_fresh()))
        if self._others is not None:
            self._tasks.append(asyncio.create_task(self._listen(self._others)))

    async def look(self) -> None:
        """Look at every target once, now; for a host that sleeps between requests this is all the looking there is."""
        await asyncio.gather(*(self._look(name) for name in self._ports.probes))
        if self._others is not None:
            await self._others.read()
        await self._residuals.exchange()
        self._refresh()

    async def close(self) -> None:
        """Stop looking, and let the events reach their sink."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._ports.events.close()

    async def _look(self, name: str) -> None:
        self._resource.learn(name, await self._ports.probes[name].probe())

    async def _watch(self, name: str) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            await self._look(name)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            self._refresh()

    async def _listen(self, others: Others) -> None:
        while True:
            # Gateways that start together need not ask together.
            await asyncio.sleep(READ_S * (1.0 + 0.5 * self._uniform()))
            await others.read()
            await self._residuals.exchange()

    def _refresh(self) -> None:
        own = self._monitor.estimates()
        known = own if self._others is None else self._others.behind(own)
        fits, doubts = self._monitor.fits(), self._monitor.doubts()
        self._resource.refresh(self._ports.policy.rollout(), known, fits, doubts)


def embedding(request: EmbedRequest) -> InferenceRequest:
    """The same wish as a request that goes the one path."""
    extra = {} if request.dimensions is None else {"dimensions": request.dimensions}
    return InferenceRequest(
        request_id=request.request_id,
        received_s=request.received_s,
        caller=request.caller,
        messages=tuple({"role": "user", "content": text} for text in request.inputs),
        task="embed",
        params=Params(extra=extra),
        preferences=request.preferences,
        device=request.device,
        network=request.network,
        location=request.location,
        privacy=request.privacy,
        user=request.user,
    )


def assemble(specs: tuple[TargetSpec, ...], ports: Ports) -> Router:
    """Put the agents together; call `start()` on the result from the running loop."""
    return Router(specs, ports)
