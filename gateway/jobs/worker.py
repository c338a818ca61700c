"""Runs the jobs of one queue: claims as many as it has room for, keeps them lent while they run, stores what came of them.

A worker may die at any moment. What it had claimed comes back to the queue when its time is over; what it had not stored
is run again; what it stored twice is stored once. On a drain it claims nothing more and ends what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from gateway.jobs.store import JobStore, OpenJobs
from router_core.errors import StoreError
from router_core.jobs.records import Claim, Step
from router_core.jobs.tries import Again, Answered, Poison, Tries, lost
from router_core.ports import Clock
from router_core.record import dataclass

_log: Final = logging.getLogger("tierwise.jobs")
SOON_S: Final = 0.02
POLL_S: Final = 0.25
"""How often a worker without work looks: soon after it had some, as seldom as this in the end. What this process accepts wakes
it at once."""
AWAY_S: Final = 1.0
KEEP_TRYING_S: Final = 300.0
"""How long an answer that is paid for is offered to a store that is away."""


class Handler(Protocol):
    """What is done for a message of one queue."""

    async def work(self, claim: Claim) -> Step:
        """The step that the job takes; raises what went wrong."""

    def gave_up(self, claim: Claim, error: BaseException | None, buried: str | None) -> Step:
        """The step of a job whose work ended without a result; `error` None: its workers died."""

    async def stored(self, claim: Claim, step: Step) -> None:
        """Called by the one whose step was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much a worker does at once, for how long a message is lent, how often it is tried, and how long a worker that
    found nothing waits at most before it looks again."""

    running: int = 8
    poll_s: float = POLL_S
    lent_s: float = 15.0
    tries: Tries = Tries()


class Worker:
    """One queue's loop on the running event loop."""

    def __init__(self, queue: str, handler: Handler, store: JobStore, clock: Clock, pace: Pace) -> None:
        self.queue = queue
        self._handler, self._store, self._clock, self._pace = handler, store, clock, pace
        self._running: dict[str, tuple[Claim, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self._idle_s = SOON_S
        self._stopping = False

    @property
    def running(self) -> int:
        """Jobs that run now."""
        return len(self._running)

    def wake(self) -> None:
        """There may be work, or room for it."""
        self._changed.set()

    def resize(self, running: int) -> None:
        """So many at once from now on; what runs already is ended."""
        self._pace = replace(self._pace, running=running)
        self.wake()

    def drain(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Work until drained; then until what runs has ended. Cancelled, it gives back what it has."""
        keeping = asyncio.create_task(self._keep())
        try:
            while not self._stopping:
                await self._wait(await self._claim())
            await asyncio.gather(*(task for _, task in tuple(self._running.values())))
        finally:
            keeping.cancel()
            await self._give_back()

    async def serve(self, opened: OpenJobs, claims: Sequence[Claim], within_s: float) -> tuple[Claim, ...]:
        """Run what a host was handed, and give back what does not end in time; those of which nothing could be stored."""
        tasks = {claim.key: asyncio.create_task(self._worked(opened, claim)) for claim in claims}
        self._running = {claim.key: (claim, tasks[claim.key]) for claim in claims}
        keeping = asyncio.create_task(self._keep())
        if tasks:
            await asyncio.wait(tasks.values(), timeout=within_s)
        keeping.cancel()
        failed = [claim for claim in claims if tasks[claim.key].done() and _unstored(tasks[claim.key])]
        self._running = {
            claim.key: self._running[claim.key] for claim in claims if not tasks[claim.key].done()
        }
        await self._give_back()
        self._running = {}
        return tuple(failed)

    async def _claim(self) -> float:
        """Start what can be started; how long to wait before the next look."""
        self._changed.clear()
        room = self._pace.running - len(self._running)
        if room <= 0:
            return self._pace.lent_s
        try:
            opened = await self._store.opened()
            claims = await opened.queue.claim(self.queue, room, self._pace.lent_s)
        except StoreError:
            return AWAY_S
        except Exception:
            # The loop must not end: what is broken today may be put right tomorrow.
            _log.exception("queue %s could not be read", self.queue)
            return AWAY_S
        if self._stopping:
            # They came while it was told to stop: another has them at once.
            await self._return(opened, claims)
            return 0.0
        for claim in claims:
            task = asyncio.create_task(self._one(opened, claim))
            self._running[claim.key] = (claim, task)
        return self._rest(worked=bool(claims))

    def _rest(self, *, worked: bool) -> float:
        """How long to wait after a look that found something, or nothing."""
        if worked:
            self._idle_s = SOON_S
            return 0.0
        rest, self._idle_s = min(self._pace.poll_s, self._idle_s), min(1.0, 2.0 * self._idle_s)
        return rest

    async def _return(self, opened: OpenJobs, claims: Sequence[Claim]) -> None:
        for claim in claims:
            with contextlib.suppress(StoreError):
                await opened.queue.release(claim, 0.0, "the worker stopped", counted=False)

    async def _wait(self, seconds: float) -> None:
        # Not `wait_for`: in Python 3.11 it may swallow that it is cancelled.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _one(self, opened: OpenJobs, claim: Claim) -> None:
        try:
            await self._worked(opened, claim)
        except StoreError:
            _log.warning("a job's result could not be stored; it will be run again")
        finally:
            self._running.pop(claim.key, None)
            self.wake()

    async def _worked(self, opened: OpenJobs, claim: Claim) -> None:
        tries = self._pace.tries
        if tries.exhausted(claim.tries):
            reason = lost(claim.reason, tries.most)
            await self._store_step(opened, claim, self._handler.gave_up(claim, None, reason))
            return
        try:
            step = await self._handler.work(claim)
        except Exception as error:
            await self._failed(opened, claim, error)
            return
        await self._store_step(opened, claim, step)

    async def _failed(self, opened: OpenJobs, claim: Claim, error: Exception) -> None:
        age_s = self._clock.now_s() - claim.job.created_s
        verdict = self._pace.tries.verdict(error, claim.tries, age_s)
        match verdict:
            case Again():
                await opened.queue.release(claim, verdict.delay_s, verdict.reason, counted=verdict.counted)
            case Answered():
                await self._store_step(opened, claim, self._handler.gave_up(claim, error, None))
            case Poison():
                _log.warning("a message of queue %s goes to the dead ones: %s", self.queue, verdict.reason)
                await self._store_step(opened, claim, self._handler.gave_up(claim, error, verdict.reason))

    async def _store_step(self, opened: OpenJobs, claim: Claim, step: Step) -> None:
        """Store it, again and again while the store is away: another run would cost as much as this one."""
        deadline = self._clock.monotonic_s() + KEEP_TRYING_S
        won: bool | None = None
        while won is None:
            try:
                won = await opened.history.advance(claim, step)
            except StoreError:
                if self._clock.monotonic_s() >= deadline:
                    raise
                await asyncio.sleep(AWAY_S)
        if won:
            await self._handler.stored(claim, step)

    async def _keep(self) -> None:
        """Keep what runs lent. Who lost a message to another worker stops: the other's answer will be as good."""
        while True:
            await asyncio.sleep(self._pace.lent_s / 3.0)
            for claim, task in tuple(self._running.values()):
                await self._extend(claim, task)

    async def _extend(self, claim: Claim, task: asyncio.Task[None]) -> None:
        with contextlib.suppress(StoreError):
            opened = await self._store.opened()
            if not await opened.queue.extend(claim, self._pace.lent_s):
                task.cancel()

    async def _give_back(self) -> None:
        """What still runs goes back to the queue at once, instead of when its time is over."""
        left = tuple(self._running.values())
        for _, task in left:
            task.cancel()
        await asyncio.gather(*(task for _, task in left), return_exceptions=True)
        for claim, _ in left:
            with contextlib.suppress(StoreError):
                opened = await self._store.opened()
                await opened.queue.release(claim, 0.0, "the worker stopped")


def _unstored(task: asyncio.Task[None]) -> bool:
    """Whether it could not be stored. One that was cancelled lost its message to another worker."""
    if task.cancelled():
        return False
    error = task.exception()
    if error is not None and not isinstance(error, StoreError):
        raise error
    return error is not None
