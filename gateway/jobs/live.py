"""Shows the live state in front of the history: many callers ask often, and the database need not hear all of them.

What is stored is the truth. The state is written after it and read before it, and every trouble with it is passed over: a state
that was not written is older than it may be, so the history is asked, and the state is put right.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace

from gateway.jobs.store import JobStore, OpenJobs
from router_core.errors import StoreError
from router_core.jobs.live import LiveStates, enough, job_of, state_of
from router_core.jobs.records import Claim, Envelope, Job, Step
from router_core.jobs.stages import ANSWERING, GATEWAY, WEBHOOKS
from router_core.ports import Clock, JobHistory, JobQueue


def shown_live(store: JobStore, states: LiveStates, clock: Clock) -> JobStore:
    """The same store, with its states shown."""

    async def opened() -> OpenJobs:
        return live(await store.opened(), states, clock)

    return JobStore(opened, wanted=store.wanted)


def live(opened: OpenJobs, states: LiveStates, clock: Clock) -> OpenJobs:
    """The same parts, with their states shown."""
    shown = _Shown(states, clock)
    return replace(
        opened,
        history=LiveHistory(opened.history, shown),
        queue=LiveQueue(opened.queue, shown),
    )


class _Shown:
    """States written where that is possible."""

    def __init__(self, states: LiveStates, clock: Clock) -> None:
        self._states, self._clock = states, clock

    async def write(self, job: Job, stage: str) -> None:
        with contextlib.suppress(StoreError):
            await self._states.put(state_of(job, stage, self._clock.now_s()))

    async def enough(self, tenant: str, request_id: str) -> Job | None:
        """The tenant's job where its state is all there is to say."""
        with contextlib.suppress(StoreError):
            state = await self._states.get(request_id)
            if state is not None and state.tenant == tenant and enough(state, self._clock.now_s()):
                return job_of(state)
        return None


class LiveHistory:
    """JobHistory that writes states after it, and reads them before."""

    def __init__(self, history: JobHistory, shown: _Shown) -> None:
        self._history, self._shown = history, shown

    async def create(
        self, job: Job, queues: Sequence[str] = (ANSWERING,), envelope: Envelope | None = None
    ) -> bool:
        """Store a new job. Raises `StoreError`."""
        created = await self._history.create(job, queues, envelope)
        if created:
            await self._shown.write(job, job.stage)
        return created

    async def advance(self, claim: Claim, step: Step) -> bool:
        """Store a step. Raises `StoreError`."""
        won = await self._history.advance(claim, step)
        if won and claim.queue != WEBHOOKS:
            await self._shown.write(claim.job, step.stage)
        return won

    async def find(self, tenant: str, request_id: str) -> Job | None:
        """The tenant's job. Raises `StoreError`."""
        job = await self._shown.enough(tenant, request_id)
        if job is not None:
            return job
        job = await self._history.find(tenant, request_id)
        if job is not None:
            await self._shown.write(job, job.stage)
        return job


class LiveQueue:
    """JobQueue that says which jobs have begun, and which wait for their turn."""

    def __init__(self, queue: JobQueue, shown: _Shown) -> None:
        self._queue, self._shown = queue, shown

    async def claim(self, queue: str, most: int, lent_s: float) -> tuple[Claim, ...]:
        """Messages that are this worker's now. Raises `StoreError`."""
        claims = await self._queue.claim(queue, most, lent_s)
        if queue == ANSWERING:
            await asyncio.gather(*(self._shown.write(claim.job, claim.job.stage) for claim in claims))
        return claims

    async def extend(self, claim: Claim, lent_s: float) -> bool:
        """Keep it. Raises `StoreError`."""
        return await self._queue.extend(claim, lent_s)

    async def release(self, claim: Claim, delay_s: float, reason: str, *, counted: bool = True) -> bool:
        """Give it back. Raises `StoreError`."""
        released = await self._queue.release(claim, delay_s, reason, counted=counted)
        if released and claim.queue == ANSWERING and not counted:
            await self._shown.write(claim.job, GATEWAY)
        return released
