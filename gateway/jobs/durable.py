"""Accepts asynchronous requests into the store and knows them by their id; runs them in this process where it may.

What was answered with 202 is on disk: a restart, or another gateway at the same store, goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from gateway.batches.driver import BatchDriver
from gateway.http.ports import StoredAnswer
from gateway.jobs.sampling import Sampling
from gateway.jobs.store import JobStore, OpenJobs
from gateway.jobs.telling import told
from gateway.jobs.tuning import Tuned
from gateway.jobs.worker import Worker
from gateway.webhooks.rules import WebhookRules
from router_core.errors import NoCapacityError, StoreError
from router_core.inference import InferenceRequest
from router_core.jobs.records import Envelope, Job
from router_core.jobs.stages import ANSWERING
from router_core.payload import to_json
from router_core.policy.judging import Judging
from router_core.ports import Clock
from router_core.record import dataclass

_LOOK_S: Final = 1.0
_COUNTED_S: Final = 1.0
_FORGET_S: Final = 600.0
_EXPIRE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many may wait, and for how long ended ones are kept."""

    max_waiting: int = 100_000
    keep_s: float = 7 * 86_400.0


class DurableJobs:
    """`Accepted` over a job store. `workers` run in this process; none where others do."""

    def __init__(
        self,
        store: JobStore,
        workers: Sequence[Worker | BatchDriver | Tuned],
        clock: Clock,
        webhooks: WebhookRules,
        limits: Limits,
        judging: Callable[[], Judging],
    ) -> None:
        self._store, self._workers, self._clock = store, tuple(workers), clock
        self._webhooks, self._limits = webhooks, limits
        self.sampling = Sampling(store, judging, self._stored)
        store.figures.unsampled = lambda: self.sampling.dropped
        self._waiting, self._counted_s = 0, float("-inf")
        self._tasks: list[asyncio.Task[None]] = []
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what is left from before, and what processes beside this one accept."""
        self._looking = asyncio.create_task(self._look())

    async def submit(self, request: InferenceRequest, size: int) -> None:
        """Store the request; it is safe when this returns. Raises `NoCapacityError` when too many wait, or `StoreError`."""
        await self._submit(request, size, None)

    async def submit_announced(
        self, request: InferenceRequest, size: int, url: str, secret_ref: str | None
    ) -> None:
        """The same, with a webhook to call when it is over. Raises `UnprocessableError` for one that may not be called."""
        await self._submit(request, size, self._webhooks.accepted(request.caller.tenant, url, secret_ref))

    async def _submit(self, request: InferenceRequest, size: int, webhook: bytes | None) -> None:
        opened = await self._store.opened()
        await self._count()
        if self._waiting >= self._limits.max_waiting:
            raise NoCapacityError(
                "too many asynchronous requests are waiting", rejected={}, retry_after_s=5.0
            )
        job = Job(
            request_id=request.request_id,
            tenant=request.caller.tenant,
            created_s=request.received_s,
            size=size,
            request=orjson.dumps(to_json(request)),
            webhook=webhook,
        )
        await opened.history.create(job, (ANSWERING,), self._envelope(opened, request))
        self._waiting += 1
        self._stored()

    def _envelope(self, opened: OpenJobs, request: InferenceRequest) -> Envelope | None:
        """The caller's own key, where the request needs it."""
        if opened.envelopes is None:
            return None
        tenant, target = request.caller.tenant, request.preferences.target
        return opened.envelopes.sealed(tenant, request.request_id, target)

    async def found(self, tenant: str, request_id: str) -> StoredAnswer | Mapping[str, Any] | None:
        """The answer, or what is known before or instead of it. Raises `StoreError`."""
        if not self._tasks and not self._store.wanted():
            return None
        opened = await self._store.opened()
        job = await opened.history.find(tenant, request_id)
        return None if job is None else told(job)

    def limit(self, max_waiting: int) -> None:
        """So many may wait from now on."""
        self._limits = replace(self._limits, max_waiting=max_waiting)

    @property
    def unfinished(self) -> int:
        """Jobs that run in this process; what only waits is nobody's loss."""
        return sum(worker.running for worker in self._workers)

    def drain(self) -> None:
        """Claim nothing more."""
        for worker in self._workers:
            worker.drain()

    async def stop(self) -> None:
        """Give back what runs."""
        tasks = (*self._tasks, *(() if self._looking is None else (self._looking,)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.sampling.stop()
        await self._store.close()

    async def _look(self) -> None:
        while not self._tasks:
            if self._store.wanted():
                self._begin()
            await asyncio.sleep(_LOOK_S)

    def _stored(self) -> None:
        """There is something new to do."""
        self._begin()
        for worker in self._workers:
            worker.wake()

    def _begin(self) -> None:
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(worker.run()) for worker in self._workers]
            self._tasks.append(loop.create_task(self._forget()))

    async def _count(self) -> None:
        """Look how many wait, once a second at most: counting a long queue takes as long as many jobs."""
        now = self._clock.monotonic_s()
        if now - self._counted_s >= _COUNTED_S:
            self._counted_s = now
            depths = await (await self._store.opened()).upkeep.depths()
            self._waiting = sum(one.waiting + one.delayed for one in depths if one.queue == ANSWERING)

    async def _forget(self) -> None:
        forgot_s = float("-inf")
        while True:
            with contextlib.suppress(StoreError):
                upkeep = (await self._store.opened()).upkeep
                await upkeep.expire()
                self._store.figures.depths = await upkeep.depths()
                if self._clock.monotonic_s() - forgot_s >= _FORGET_S:
                    forgot_s = self._clock.monotonic_s()
                    await upkeep.forget(self._clock.now_s() - self._limits.keep_s)
            await asyncio.sleep(_EXPIRE_S)
