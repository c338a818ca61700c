"""The event stream: records leave for Kinesis in batches, on a thread of their own, and none vanishes uncounted.

Decides what waits and what is given up. A request never waits; a record that Kinesis refuses for the moment is sent again
by itself, so order across retries is not kept and consumers go by time and `event_id`; what can't be delivered within
`TRIES` is dropped and counted. A call whose outcome is unknown is repeated, which is why every record has an id.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from router_core.adapters.events.frame import to_json
from router_core.events import event_id

BATCH_RECORDS: Final = 500
BATCH_BYTES: Final = 5 * 1024 * 1024
RECORD_BYTES: Final = 1024 * 1024
"""What one PutRecords call takes; a record's size includes its partition key."""
KEY_CHARS: Final = 256
GATHER_S: Final = 0.2
"""How long records gather: bounds the calls per second of a quiet gateway."""
DRAIN_S: Final = 10.0
TRIES: Final = 12
PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
"""Pauses double from the one to the other, each times a chance in [0, 1): about half a minute for all tries."""
GIVEN_UP: Final = frozenset({
    "AccessDeniedException", "DryRunOperationException", "InvalidArgumentException", "InvalidSignatureException",
    "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
    "KMSOptInRequired", "ResourceNotFoundException", "SerializationException", "UnknownOperationException",
    "UnrecognizedClientException", "ValidationException",
})  # fmt: skip
"""Refusals that the next try would meet again."""
RETRIED: Final = frozenset({
    "ExpiredTokenException", "InternalFailure", "InternalFailureException", "KMSThrottlingException", "LimitExceededException",
    "ProvisionedThroughputExceededException", "RequestTimeout", "ServiceUnavailable", "ThrottlingException",
})  # fmt: skip
"""Refusals of the moment. What is in neither set is retried, too: the number of tries bounds it."""
_WARN_S: Final = 60.0
_log: Final = logging.getLogger("tierwise.events")


@dataclass(slots=True)
class _Entry:
    data: bytes
    key: str
    tries: int = 0

    @property
    def size(self) -> int:
        return len(self.data) + len(self.key.encode())


@dataclass(slots=True)
class _Later:
    """Entries that wait for their moment, earliest first."""

    heap: list[tuple[float, int, _Entry]] = field(default_factory=list)
    pushed: int = 0

    def push(self, due_s: float, entry: _Entry) -> None:
        self.pushed += 1
        heapq.heappush(self.heap, (due_s, self.pushed, entry))

    def pop(self, now_s: float) -> _Entry | None:
        return heapq.heappop(self.heap)[2] if self.heap and self.heap[0][0] <= now_s else None

    def due_in(self, now_s: float) -> float | None:
        return max(0.0, self.heap[0][0] - now_s) if self.heap else None


class KinesisEventSink:
    """EventSink on a Kinesis stream. `client` is a boto3 Kinesis client whose own retries are off and whose timeouts
    are short. One per process, made after any fork; `emit` is for one thread, as the event loop is.

    Every record emitted is in exactly one of `delivered`, `dropped` and what still waits; after `close` nothing waits.
    """

    def __init__(
        self,
        client: Any,
        stream: str,
        *,
        queue_size: int = 16_384,
        drain_s: float = DRAIN_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._stream = client, stream
        self._room, self._drain_s, self._chance = queue_size, drain_s, chance
        self._queue: deque[Mapping[str, Any]] = deque()
        self._later = _Later()
        self._accepted = self._refused = self._lost = self._delivered = 0
        self._asleep = False
        self._abandoned = False
        self._wake, self._stop, self._hurry = threading.Event(), threading.Event(), threading.Event()
        self._settled = threading.Condition()
        self._warned_s = float("-inf")
        self._thread = threading.Thread(target=self._run, name="tierwise-kinesis", daemon=True)
        self._thread.start()

    @property
    def delivered(self) -> int:
        """Records that Kinesis confirmed."""
        return self._delivered

    @property
    def dropped(self) -> int:
        """Records that never reached Kinesis: no room, no JSON form, too long, refused to the end. Only grows."""
        return self._refused + self._lost

    def emit(self, record: Mapping[str, Any]) -> None:
        """Queue a record; never waits, never raises."""
        if len(self._queue) + len(self._later.heap) >= self._room or self._stop.is_set():
            self._refused += 1
            return
        self._accepted += 1
        self._queue.append(record)
        if self._asleep:
            self._asleep = False
            self._wake.set()

    def flush(self, within_s: float = DRAIN_S) -> bool:
        """Wait until all that was emitted so far is delivered or given up; nothing gathers meanwhile. For a host that is
        frozen as soon as it has answered. Blocks: not for the event loop."""
        mark = self._accepted
        self._hurry.set()
        self._wake.set()
        with self._settled:
            done = self._settled.wait_for(lambda: self._delivered + self._lost >= mark, within_s)
        self._hurry.clear()
        return done

    async def close(self) -> None:
        """Take no more and send what waits, for `drain_s` at most and one call more; the rest is dropped."""
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, self._drain_s)
        if self._thread.is_alive():
            self._abandoned = True
        self._lost = self._accepted - self._delivered

    def _run(self) -> None:
        while not self._stop.is_set():
            self._rest()
            self._hurry.wait(GATHER_S)
            self._guarded_round()
            with self._settled:
                self._settled.notify_all()
        until = time.monotonic() + self._drain_s
        while (self._queue or self._later.heap) and time.monotonic() < until and not self._abandoned:
            self._guarded_round()
            pause = self._later.due_in(time.monotonic())
            if pause and not self._queue:
                time.sleep(min(pause, max(0.0, until - time.monotonic())))

    def _rest(self) -> None:
        """Sleep until a record comes or one is due again. `_asleep` is set before the queue is looked at, so that a
        record that comes in between wakes us."""
        self._wake.clear()
        self._asleep = True
        if not self._queue and not self._stop.is_set():
            self._wake.wait(self._later.due_in(time.monotonic()))
        self._asleep = False

    def _guarded_round(self) -> None:
        """Send all that may be sent now."""
        for _ in range(2 + (len(self._queue) + len(self._later.heap)) // BATCH_RECORDS):
            batch = self._take()
            if not batch or self._abandoned:
                return
            try:
                self._send(batch)
            except Exception as error:  # whatever happens to a batch, the thread must live for the next
                self._lost += len(batch)
                self._warn(type(error).__name__)

    def _take(self) -> list[_Entry]:
        batch: list[_Entry] = []
        size, now = 0, time.monotonic()
        while len(batch) < BATCH_RECORDS:
            entry = self._later.pop(now) or self._encoded()
            if entry is None:
                break
            size += entry.size
            if size > BATCH_BYTES:
                self._later.push(0.0, entry)
                break
            batch.append(entry)
        return batch

    def _encoded(self) -> _Entry | None:
        """The next queued record that fits, ready to be sent."""
        while self._queue:
            record = self._queue.popleft()
            try:
                name = event_id(record)
                data = to_json({"event_id": name, **record})
            except (ValueError, TypeError, OverflowError):
                self._lose(1, "a record has no JSON form")
                continue
            entry = _Entry(data, str(record.get("request_id") or name)[:KEY_CHARS])
            if entry.size <= RECORD_BYTES:
                return entry
            self._lose(1, "a record is too long")
        return None

    def _send(self, batch: list[_Entry]) -> None:
        records = [{"Data": entry.data, "PartitionKey": entry.key} for entry in batch]
        try:
            results = self._client.put_records(StreamName=self._stream, Records=records)["Records"]
        except ClientError as error:
            self._again(batch, str(error.response.get("Error", {}).get("Code", "")))
            return
        except BotoCoreError as error:
            self._again(batch, type(error).__name__)
            return
        if self._abandoned:
            return
        failed = [
            (entry, row["ErrorCode"])
            for entry, row in zip(batch, results, strict=True)
            if row.get("ErrorCode")
        ]
        self._delivered += len(batch) - len(failed)
        for entry, code in failed:
            self._again([entry], code)

    def _again(self, entries: list[_Entry], code: str) -> None:
        now = time.monotonic()
        for entry in entries:
            entry.tries += 1
            if code in GIVEN_UP or entry.tries >= TRIES:
                self._lose(1, code)
                continue
            pause = min(LONGEST_PAUSE_S, PAUSE_S * 2.0**entry.tries)
            self._later.push(now + self._chance() * pause, entry)

    def _lose(self, count: int, why: str) -> None:
        self._lost += count
        self._warn(why)

    def _warn(self, why: str) -> None:
        """At most one line a minute, without the record."""
        now = time.monotonic()
        if now - self._warned_s >= _WARN_S:
            self._warned_s = now
            _log.warning("event stream: %s; %d records dropped so far", why, self.dropped)
