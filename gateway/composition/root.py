"""The composition root: one plan in, one running gateway out. The only place that knows every part.

Built on the event loop of the process that will serve, because pools, threads and tasks belong to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp

from agents.assembly import Ports, Router, assemble
from gateway.composition.aws import Records, open_records
from gateway.composition.batches import with_batches
from gateway.composition.canary import canary_guard
from gateway.composition.crew import Crew
from gateway.composition.deliberation import open_deliberation, reviews
from gateway.composition.device import open_desk
from gateway.composition.jobs import plan_jobs
from gateway.composition.keys import ROTATION_S, KeyRotation, records
from gateway.composition.learning.learned import with_learned
from gateway.composition.learning.policy_desk import PolicyDesk
from gateway.composition.nodes import open_nodes
from gateway.composition.outside.guards import open_guards
from gateway.composition.plan import Plan
from gateway.composition.policy import policy_source, watch_policy
from gateway.composition.proposing.doors import with_doors
from gateway.composition.proposing.proposals import open_proposals
from gateway.composition.providers import key_lifetimes, open_providers
from gateway.composition.signals import open_signals
from gateway.composition.stores import Stores, open_stores
from gateway.composition.targets import build_adapters
from gateway.composition.tracing import trace, traced_app, traced_router
from gateway.http.app import create_app
from gateway.http.auth import KeyRing
from gateway.http.dependencies import AppDependencies
from gateway.http.edge import Gateway as App
from gateway.jobs.calibrated import read_rates
from gateway.settings.schema import EventSettings, Settings
from router_core.adapters.events.log import EventLog
from router_core.adapters.prometheus import MonitorCollector, render
from router_core.adapters.scorer_weights import foresee
from router_core.adapters.system_clock import SystemClock

_log: Final = logging.getLogger("tierwise.gateway")


@dataclass(slots=True)
class Gateway:
    """A built gateway. Start it by serving `asgi`, which is `app` or what traces it; end it with `drain`, `drained`,
    `close`, in this order."""

    app: App
    asgi: ASGIApp
    router: Router
    _closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def drain(self) -> None:
        """Refuse new work; readiness answers 503."""
        self.app.begin_drain()

    async def drained(self, within_s: float) -> bool:
        """Whether everything in flight ended in time."""
        return await self.app.drained(within_s)

    async def close(self) -> None:
        """Stop background work, flush the records, close pools and engines. Never raises."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for close in (self.router.close, *reversed(self._closers)):
            try:
                await close()
            except Exception:
                _log.exception("a part of the gateway did not close")


async def compose(made: Plan, *, worker: str = "0") -> Gateway:
    """Build, look at every target once, and start watching. Raises `ConfigurationError`."""
    settings, clock = made.settings, SystemClock()
    policy = await asyncio.to_thread(policy_source, settings.policy)
    adapters = build_adapters(made)
    specs = tuple(target.spec for target in made.targets)
    tracing = trace(settings.tracing, our_version(), adapters, specs)
    stores = await open_stores(made, clock)
    stored = await open_records(made, _event_log(settings.events, worker))
    adapters.closers += [stores.close, stored.close]
    thinking = open_deliberation(made, os.environ, stores.ledger, clock, adapters.closers)
    nodes = await open_nodes(made, stores.shared, stored.sink, adapters.closers, clock)
    guard = canary_guard(settings.policy, policy, nodes.events, stores.shared)
    proposing = await open_proposals(settings, stores.shared, guard, guard.rollout, clock, adapters.closers)
    ports = Ports(
        models=adapters.models,
        embedders=adapters.embedders,
        probes=adapters.probes,
        responses=stores.responses,
        events=proposing.events,
        policy=guard,
        clock=clock,
        affinity=stores.affinity,
        shared=stores.shared,
        signals=await open_signals(settings, adapters.closers),
        guards=open_guards(settings, os.environ, adapters.closers, made.access),
        thinking=thinking,
        foresee=foresee,
    )
    ports = with_learned(settings.learning, adapters.closers, ports)
    router = assemble(specs, ports)
    providers = await open_providers(settings, ports, adapters.closers, traced=tracing is not None)
    _calibrate(settings, router)
    stored.watch(router.snapshot)
    crew = Crew(providers.watched(router), made.run_dir, worker, clock)
    dependencies = providers.behind(_dependencies(made, router, crew, stored, stores))
    dependencies = with_batches(with_doors(dependencies, made, proposing, adapters.closers), settings.batches)
    app = create_app(replace(dependencies, router=traced_router(dependencies.router, tracing)))
    gateway = Gateway(app=app, asgi=traced_app(app, tracing), router=router, _closers=adapters.closers)
    await _start(gateway, crew)
    gateway._tasks = [
        asyncio.create_task(watch_policy(policy, settings.policy, stored.sink)),
        asyncio.create_task(_repeat(crew.every_s, crew.exchange)),
        asyncio.create_task(guard.watch()),
        *nodes.start(router),
        *reviews(thinking, router, stored.sink, worker),
        *proposing.start(thinking, router, worker),
        *await _rotating(KeyRotation(made.keys, dependencies.keys)),
    ]
    return gateway


async def _start(gateway: Gateway, crew: Crew) -> None:
    try:
        await gateway.router.start()
        # A worker that comes back must not serve a target that an operator has drained meanwhile.
        crew.exchange()
    except BaseException:
        await gateway.close()
        raise


def _calibrate(settings: Settings, router: Router) -> None:
    """Judges whose error rates are known are believed accordingly."""
    if settings.jobs.judge_rates is not None:
        router.calibrated("judge", read_rates(Path(settings.jobs.judge_rates)))


async def _rotating(rotation: KeyRotation) -> list[asyncio.Task[None]]:
    """Keys from before a rotation also open a gateway that starts after it."""
    if not rotation.needed:
        return []
    await asyncio.to_thread(rotation.refresh)
    return [asyncio.create_task(_repeat(ROTATION_S, rotation.refresh))]


def _event_log(settings: EventSettings, worker: str) -> EventLog:
    return EventLog(
        settings.dir,
        worker=f"{worker}-{os.getpid()}",
        max_bytes=settings.rotate_mb * 2**20,
        keep_files=settings.keep_files,
        fsync=settings.fsync,
    )


def _dependencies(made: Plan, router: Router, crew: Crew, stored: Records, stores: Stores) -> AppDependencies:
    settings = made.settings
    collector = MonitorCollector(crew.snapshot, version=our_version())
    return AppDependencies(
        router=router,
        policies=PolicyDesk(settings, router.rollout),
        keys=KeyRing(records(made.keys)),
        limiter=stores.limiter,
        shared=stores.shared,
        device=open_desk(settings, made.device_key, stores.shared),
        metrics=lambda: render(collector),
        catalogue=tuple(target.spec for target in made.targets),
        aliases=made.aliases,
        decisions=stored.lookup,
        version=our_version(),
        started_s=time.time(),
        max_body_bytes=settings.server.max_body_bytes,
        jobs=plan_jobs(
            settings.jobs,
            os.environ,
            SystemClock(),
            (one.spec for one in made.targets),
            key_lifetimes(settings.providers),
            live=stores.live,
        ),
    )


def our_version() -> str:
    """The installed version; a checkout that is not installed has none."""
    try:
        return version("tierwise")
    except PackageNotFoundError:
        return "0"


async def _repeat(every_s: float, act: Callable[[], object]) -> None:
    """Small file work on a thread, again and again; one failure must not end it."""
    while True:
        await asyncio.sleep(every_s)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(act)
