"""The local append-only event log: takes records in about a microsecond, writes them on a thread of its own.

Decides what is given up under pressure: never the request's time. A full queue drops the newest record, a full disk
drops a batch; both are counted. A process that is killed loses what it emitted in the last `GATHER_S`; a machine that
loses power loses what came after the last fsync.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from router_core.adapters.events.file import EventFiles
from router_core.adapters.events.writer import REFERENCE_KINDS, EventWriter

Fsync = Literal["always", "interval", "never"]
FSYNC_INTERVAL_S: Final = 1.0
GATHER_S: Final = 0.02
"""How long the thread lets records gather: under load it wakes so often, and emit wakes it no more than that."""
BATCH: Final = 64
"""Records encoded in one go: bounds how long the thread keeps the interpreter from the event loop, about 0.3 ms."""
RESERVED: Final = 64
"""Room above the queue's limit for state and policy records, without which later decisions could not be replayed."""
DRAIN_S: Final = 10.0
_WARN_S: Final = 60.0
_log: Final = logging.getLogger("tierwise.events")


class EventLog:
    """EventSink on local files. One per process, made after any fork; `worker` names its files.

    `emit` hands the record over: whoever emits must not change it (nor what it refers to) afterwards.
    `fsync`: "always" after each batch, "interval" at most once per second, "never" leaves it to the system.
    """

    def __init__(
        self,
        directory: Path,
        *,
        worker: str,
        max_bytes: int = 64 * 1024 * 1024,
        keep_files: int = 16,
        fsync: Fsync = "interval",
        queue_size: int = 16_384,
    ) -> None:
        """Raises ConfigurationError for a name or a size that can't be. A directory that can't be written is
        noticed by `dropped` and a warning, because records never stop a gateway."""
        self._files = EventFiles(directory, worker, max_bytes=max_bytes, keep_files=keep_files)
        self._writer = EventWriter(self._files)
        self._fsync = fsync
        self._queue: deque[Mapping[str, Any] | threading.Event] = deque()
        self._room = queue_size
        self._refused = 0
        self._lost = 0
        self._asleep = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._synced_s = time.monotonic()
        self._warned_s = float("-inf")
        self._thread = threading.Thread(target=self._run, name="tierwise-events", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Records that are in no file: queue full, no JSON form, or not writable. Only grows."""
        return self._refused + self._lost

    def emit(self, record: Mapping[str, Any]) -> None:
        """Queue a record; never waits, never raises."""
        if len(self._queue) >= self._room and not self._reserved(record):
            self._refused += 1
            return
        self._queue.append(record)
        if self._asleep:
            self._asleep = False
            self._wake.set()

    def flush(self, timeout_s: float = DRAIN_S) -> bool:
        """Wait until all that was emitted so far is in a file and durable. Blocks: not for the event loop."""
        mark = threading.Event()
        self._queue.append(mark)
        self._wake.set()
        return mark.wait(timeout_s)

    async def close(self) -> None:
        """Take no more, write what is queued, make it durable. Gives up after `DRAIN_S`; the rest is dropped."""
        self._room = -RESERVED
        self._stop.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, DRAIN_S)
        self._lost += len(self._queue)
        self._queue.clear()

    def _reserved(self, record: Mapping[str, Any]) -> bool:
        return len(self._queue) < self._room + RESERVED and record.get("kind") in REFERENCE_KINDS

    def _run(self) -> None:
        while not self._stop.is_set():
            self._rest()
            self._stop.wait(GATHER_S)
            self._drain()
        while self._queue:
            self._drain()
        self._guarded(self._files.close)

    def _rest(self) -> None:
        """Sleep until a record comes, or until a sync is due. `_asleep` is set before the queue is looked at, so
        a record that comes in between finds it set and wakes us."""
        self._wake.clear()
        self._asleep = True
        if not self._queue and not self._stop.is_set():
            due = self._fsync == "interval" and self._files.dirty
            self._wake.wait(self._synced_s + FSYNC_INTERVAL_S - time.monotonic() if due else None)
        self._asleep = False

    def _drain(self) -> None:
        """Write about what is queued now, batch by batch, and sync where the setting says so."""
        for _ in range(len(self._queue) // BATCH + 1):
            batch, mark = self._take()
            if batch:
                self._write(batch)
            if mark is not None:
                self._sync()
                mark.set()
        late = time.monotonic() - self._synced_s >= FSYNC_INTERVAL_S
        if self._fsync == "always" or (self._fsync == "interval" and late):
            self._sync()

    def _take(self) -> tuple[list[Mapping[str, Any]], threading.Event | None]:
        batch: list[Mapping[str, Any]] = []
        while self._queue and len(batch) < BATCH:
            item = self._queue.popleft()
            if isinstance(item, threading.Event):
                return batch, item
            batch.append(item)
        return batch, None

    def _write(self, batch: list[Mapping[str, Any]]) -> None:
        try:
            unfit = self._writer.write(batch)
        except Exception as error:  # whatever happens to a batch, the thread must live for the next
            self._lost += len(batch)
            self._warn(error)
            return
        if unfit:
            self._lost += unfit
            self._warn(ValueError("a record has no JSON form"))

    def _sync(self) -> None:
        self._guarded(self._files.sync)
        self._synced_s = time.monotonic()

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        """At most one line a minute, without the record and without the path."""
        now = time.monotonic()
        if now - self._warned_s >= _WARN_S:
            self._warned_s = now
            told = error.strerror if isinstance(error, OSError) else error
            _log.warning(
                "event log: %s (%s); %d records dropped so far", type(error).__name__, told, self.dropped
            )
