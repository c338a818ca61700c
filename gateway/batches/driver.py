"""Moves batches on: checks a new one, lets its lines become jobs while there is room, and writes the files when they are
over, or their window is, or their owner has cancelled.

A batch is lent to one driver at a time. Whatever a driver does can be done again by the next one with the same effect, so
that one that dies in the middle costs time only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from gateway.batches.checking import Checking
from gateway.batches.parts import BatchFigures, BatchLimits, OpenBatches, about
from gateway.batches.reading import LineReader, Place
from gateway.batches.releasing import Releasing
from gateway.batches.results import OVER_BUDGET
from gateway.batches.writing import Writing
from gateway.jobs.store import JobStore, OpenJobs
from router_core.errors import StoreError
from router_core.jobs.batches import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    FINALIZING,
    IN_PROGRESS,
    VALIDATING,
    Batch,
    Lent,
    Progress,
)
from router_core.jobs.records import NANO
from router_core.ports import Clock

_log: Final = logging.getLogger("tierwise.batches")
LENT_S: Final = 30.0
LOOK_S: Final = 0.25
"""How often batches in progress are looked at."""
IDLE_S: Final = 2.0
"""How often it is looked whether there are any: those made in this process are heard of at once."""
AT_ONCE: Final = 8
CANCELLING_S: Final = 600.0
"""How long lines that run may go on after a cancel; as OpenAI has it."""
SWEEP_S: Final = 600.0

Changes = dict[str, Any]


class LostLeaseError(Exception):
    """The batch is another driver's now, or was cancelled: stop, and look again. Never leaves this module."""


class BatchDriver:
    """One loop beside the workers of this process. `wake` tells the workers that there are jobs."""

    def __init__(
        self, store: JobStore, checking: Checking, releasing: Releasing, clock: Clock, limits: BatchLimits
    ) -> None:
        self._store, self._checking, self._releasing = store, checking, releasing
        self._clock, self._limits = clock, limits
        self.figures = BatchFigures()
        self.woken: Callable[[], None] = lambda: None
        self._changed = asyncio.Event()
        self._stopping = False
        self._swept_s = float("-inf")
        self.running = 0

    def wake(self) -> None:
        """There may be something to do."""
        self._changed.set()

    def drain(self) -> None:
        """Take no further batch."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Until drained."""
        while not self._stopping:
            self._changed.clear()
            busy = False
            try:
                busy = await self._look()
            except StoreError:
                pass  # It is looked at again.
            except Exception:
                # The loop must not end: what is broken today may be put right tomorrow.
                _log.exception("batches could not be looked at")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S if busy else IDLE_S):
                    await self._changed.wait()

    async def _look(self) -> bool:
        """One step for each batch that is free; whether there was one."""
        opened = await self._store.opened()
        if opened.batches is None:
            return False
        await self._sweep(opened.batches)
        claimed = await opened.batches.work.claim(AT_ONCE, LENT_S)
        self.figures.unfinished = len(claimed)
        for lent in claimed:
            self.running = 1
            try:
                await self._step(opened, opened.batches, lent)
            except LostLeaseError:
                self._releasing.forget(lent.batch.id)
            except StoreError:
                raise
            except Exception as error:
                # Its words may hold what a caller wrote. The others go on; this one is tried again when its time is over.
                _log.warning("a batch could not be moved on: %s", type(error).__name__)
            finally:
                self.running = 0
        return bool(claimed)

    async def _sweep(self, batches: OpenBatches) -> None:
        if self._clock.monotonic_s() - self._swept_s >= SWEEP_S:
            self._swept_s = self._clock.monotonic_s()
            await batches.room.sweep()

    async def _step(self, opened: OpenJobs, batches: OpenBatches, lent: Lent) -> None:
        """One thing for one batch; then it is free for whoever looks next."""
        batch = lent.batch
        kept = self._keeper(batches, lent)
        if batch.status == VALIDATING:
            changes = await self._validated(batches, batch, kept)
        elif batch.status == IN_PROGRESS:
            changes = await self._progressed(opened, batches, batch)
        else:
            changes = await self._ended(batches, batch, kept)
        if not await batches.work.save(lent, changes, 0.0):
            raise LostLeaseError
        if (status := changes.get("status")) in (COMPLETED, EXPIRED, CANCELLED, FAILED):
            self.figures.ended[str(status)] += 1
            self._releasing.forget(batch.id)

    def _keeper(self, batches: OpenBatches, lent: Lent) -> Callable[[], Awaitable[None]]:
        """Keeps the batch ours while something takes long. Raises `LostLeaseError` when it is not any more."""
        last = self._clock.monotonic_s()

        async def kept() -> None:
            nonlocal last
            now = self._clock.monotonic_s()
            if now - last < LENT_S / 4:
                return
            if not await batches.work.save(lent, {}, LENT_S):
                raise LostLeaseError
            last = now

        return kept

    async def _reader(self, batches: OpenBatches, batch: Batch) -> Callable[[Place], LineReader] | None:
        """Readers of the input file; None when it is gone."""
        file = await batches.files.find(batch.tenant, batch.input_file)
        if file is None:
            return None
        return lambda place: LineReader(batches.content, file, self._limits.line_bytes, place)

    # ---- validating --------------------------------------------------------------------------------------------------

    async def _validated(
        self, batches: OpenBatches, batch: Batch, kept: Callable[[], Awaitable[None]]
    ) -> Changes:
        now, reader, said = self._clock.now_s(), await self._reader(batches, batch), about(batch)
        if reader is None:
            return _failed(now, [_error("file_not_found", "the input file is not there any more")])
        checked = await self._checking.check(batch, said, reader(Place()), kept)
        if checked.errors:
            return _failed(now, list(checked.errors))
        changes = {"total": checked.total, "estimate_nano": checked.estimate_nano}
        if said.max_cost_usd is not None and checked.estimate_nano > said.max_cost_usd * NANO:
            text = f"the batch is estimated at ${checked.estimate_nano / NANO:.6f}, above its max_cost_usd"
            return {**changes, **_failed(now, [_error("estimate_above_max_cost", text)])}
        return {**changes, "status": IN_PROGRESS, "started_s": now}

    # ---- in progress -------------------------------------------------------------------------------------------------

    async def _progressed(self, opened: OpenJobs, batches: OpenBatches, batch: Batch) -> Changes:
        now = self._clock.now_s()
        progress = await batches.lines.progress(batch.id)
        counts = _counts(progress)
        if now >= batch.expires_s:
            await batches.lines.withdraw(batch.id, running=True)
            return {**counts, "status": FINALIZING, "finalizing_s": now, "outcome": EXPIRED}
        limit = about(batch).max_cost_usd
        if limit is not None and progress.cost_nano >= limit * NANO and batch.released < batch.total:
            await batches.lines.withdraw(batch.id, running=False)
            if progress.running:
                return counts
            return {**counts, "status": FINALIZING, "finalizing_s": now, "outcome": OVER_BUDGET}
        released = await self._released(opened, batches, batch, now) if batch.released < batch.total else 0
        if released:
            self.figures.lines["released"] += released
            self.woken()
            return {**counts, "released": batch.released + released}
        if batch.released >= batch.total and not progress.unfinished:
            return {**counts, "status": FINALIZING, "finalizing_s": now, "outcome": COMPLETED}
        return counts

    async def _released(self, opened: OpenJobs, batches: OpenBatches, batch: Batch, now: float) -> int:
        """As many further lines as there is room for, among all batches."""
        schedule = self._limits.schedule
        left = batch.total - batch.released
        pressed = schedule.pressed(left, batch.expires_s - now)
        most = self._limits.pressed_running if pressed else schedule.running
        room = most - await batches.load.outstanding()
        make = await self._reader(batches, batch)
        if room <= 0 or make is None:
            return 0
        place = await self._releasing.place(batch, make(Place()))
        pressed_s = now if pressed else schedule.pressed_from_s(batch.total, batch.expires_s)
        return await self._releasing.release(opened, batch, about(batch), make(place), room, pressed_s)

    # ---- the end -----------------------------------------------------------------------------------------------------

    async def _ended(
        self, batches: OpenBatches, batch: Batch, kept: Callable[[], Awaitable[None]]
    ) -> Changes:
        now = self._clock.now_s()
        if batch.status == CANCELLING:
            patient = now - (batch.cancelling_s or now) < CANCELLING_S
            await batches.lines.withdraw(batch.id, running=not patient)
            progress = await batches.lines.progress(batch.id)
            if progress.running:
                return _counts(progress)
        progress = await batches.lines.progress(batch.id)
        reader, said = await self._reader(batches, batch), about(batch)
        outcome = COMPLETED if batch.outcome == OVER_BUDGET else batch.outcome or COMPLETED
        changes = {**_counts(progress), "status": outcome}
        if reader is not None and batch.total:
            writing = Writing(batches, batch, said, self._limits.keep_s, now)
            written = await writing.write(reader(Place()), kept)
            self.figures.lines["completed"] += written.completed
            self.figures.lines["failed"] += written.failed
            changes |= {
                "output_file": written.output_file,
                "error_file": written.error_file,
                "completed": written.completed,
                "failed": written.failed,
            }
        return {**changes, "ended_s": self._clock.now_s()}


def _counts(progress: Progress) -> Changes:
    return {
        "completed": progress.completed,
        "failed": progress.failed,
        "cost_nano": progress.cost_nano,
        "prompt_tokens": progress.prompt_tokens,
        "completion_tokens": progress.completion_tokens,
    }


def _failed(now: float, errors: list[dict[str, Any]]) -> Changes:
    return {"status": FAILED, "ended_s": now, "errors": orjson.dumps(errors)}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "line": None, "message": message, "param": None}
