"""The job store of this process, opened when it is first needed: most gateways never get an asynchronous request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from gateway.jobs.figures import JobFigures
from router_core.ports import JobHistory, JobQueue
from router_core.record import dataclass

if TYPE_CHECKING:
    from gateway.batches.parts import OpenBatches
    from gateway.byok.envelopes import Envelopes
    from router_core.jobs.records import Depth


class Upkeep(Protocol):
    """What keeps the store small and says how full it is. Raises `StoreError`."""

    async def depths(self) -> tuple[Depth, ...]: ...

    async def forget(self, before_s: float) -> int:
        """Delete jobs that ended before that moment; how many."""

    async def expire(self) -> int:
        """Empty envelopes whose time is over; how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJobs:
    """The parts of an opened store."""

    history: JobHistory
    queue: JobQueue
    upkeep: Upkeep
    close: Callable[[], Awaitable[None]]
    batches: OpenBatches | None = None
    envelopes: Envelopes | None = None


class JobStore:
    """Opens once, whoever asks first. `wanted` tells whether there may be jobs: from before, or of another
    process beside this one."""

    def __init__(self, open_jobs: Callable[[], Awaitable[OpenJobs]], *, wanted: Callable[[], bool]) -> None:
        self._open_jobs, self.wanted = open_jobs, wanted
        self.figures = JobFigures()
        self._opened: OpenJobs | None = None
        self._lock = asyncio.Lock()

    async def opened(self) -> OpenJobs:
        """The store. Raises `StoreError` while it cannot be reached; the next call tries again."""
        if self._opened is not None:
            return self._opened
        async with self._lock:
            if self._opened is None:
                self._opened = await self._open_jobs()
            return self._opened

    async def close(self) -> None:
        """End its connections."""
        async with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()
