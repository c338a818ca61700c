"""Decisions, outcomes and judgements into the decisions table, with the snapshots and policies that decisions name, on a
thread of its own.

Decides what is given up under pressure: never the request's time. A full queue drops the newest record; what was taken is
written again and again, with growing pauses, until DynamoDB has it, and only `close` sets that an end. A record that
DynamoDB refuses for what it is (not for the moment) is dropped alone. Everything dropped is counted.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import error_code
from router_core.adapters.dynamodb.records import KINDS, Archived, Item, item_of

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

KEEP_DAYS: Final = 30
BATCH: Final = 25
"""As many items as one BatchWriteItem takes."""
GATHER_S: Final = 0.05
"""How long records gather, unless somebody waits for them."""
DRAIN_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 5.0
REFUSED_FOR_GOOD: Final = frozenset(
    {
        "ValidationException",
        "ParamValidationError",
        "ItemCollectionSizeLimitExceededException",
        "RequestEntityTooLarge",
        "413",
    }
)
"""Answers that the same item would get again."""
_WARN_S: Final = 60.0
_log: Final = logging.getLogger("tierwise.events")
_Batch = dict[tuple[str, str], Item]


class DynamoDecisions:
    """EventSink on a table with the keys `request_id` and `kind`; records of other kinds are passed over.

    One per process, made after any fork. `emit` hands the record over: nobody may change it afterwards. Puts are
    idempotent: a record that is written twice is one item. `archived` takes bodies too large for an item.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        keep_days: float = KEEP_DAYS,
        archived: Archived | None = None,
        queue_size: int = 16_384,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._client, self._table, self._archived = client, table, archived
        self._keep_s = keep_days * 86_400
        self._queue: deque[Mapping[str, Any] | threading.Event] = deque()
        self._room, self._drain_s = queue_size, drain_s
        self._refused = self._lost = 0
        self._asleep = False
        self._wake, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._end_s = float("inf")
        self._warned_s = float("-inf")
        # Spreads the retries of many processes over time; nothing is decided by it.
        self._chance = random.Random()  # noqa: S311 - jitter, not a secret
        self._thread = threading.Thread(target=self._run, name="tierwise-decisions", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Records that are not in the table and never will be. Only grows."""
        return self._refused + self._lost

    def emit(self, record: Mapping[str, Any]) -> None:
        """Queue a record; never waits, never raises."""
        if record.get("kind") not in KINDS:
            return
        if len(self._queue) >= self._room:
            self._refused += 1
            return
        self._queue.append(record)
        if self._asleep:
            self._asleep = False
            self._wake.set()

    def flush(self, within_s: float = DRAIN_S) -> bool:
        """Wait until all that was emitted so far is in the table or dropped. Blocks: not for the event loop."""
        if not self._thread.is_alive():
            return True
        mark = threading.Event()
        self._queue.append(mark)
        self._hurry.set()
        self._wake.set()
        return mark.wait(within_s)

    async def close(self) -> None:
        """Take no more and write what was taken. Gives up after `drain_s`; the rest is dropped."""
        self._room = -1
        self._end_s = min(self._end_s, time.monotonic() + self._drain_s)
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        # A call in flight may outlast the end by its own timeouts.
        await asyncio.to_thread(self._thread.join, self._drain_s + DRAIN_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._rest()
            # A function that flushes before it answers must not wait for records that will not come.
            self._hurry.wait(GATHER_S)
            self._hurry.clear()
            self._drain()
        self._drain()

    def _rest(self) -> None:
        """Sleep until a record comes. `_asleep` is set before the queue is looked at, so that a record that comes in
        between finds it set and wakes us."""
        self._wake.clear()
        self._asleep = True
        if not self._queue and not self._stop.is_set():
            self._wake.wait()
        self._asleep = False

    def _drain(self) -> None:
        while self._queue:
            batch, mark = self._take()
            self._deliver(batch)
            if mark is not None:
                mark.set()

    def _take(self) -> tuple[_Batch, threading.Event | None]:
        """Up to `BATCH` items; of several under one key the last, because DynamoDB takes no key twice."""
        batch: _Batch = {}
        while self._queue and len(batch) < BATCH:
            taken = self._queue.popleft()
            if isinstance(taken, threading.Event):
                return batch, taken
            item = self._item(taken)
            if item is not None:
                batch[item["request_id"]["S"], item["kind"]["S"]] = item
        return batch, None

    def _item(self, record: Mapping[str, Any]) -> Item | None:
        """The record's item, whose end counts from the record's own time: writing it again does not prolong it."""
        try:
            time_s = float(record.get("time") or time.time())
            # A snapshot is written once and decided on for a while: it must outlive the decisions that name it.
            kept_s = 2.0 * self._keep_s if record["kind"] == "state" else self._keep_s
            return item_of(record, expires_s=int(time_s + kept_s), archived=self._archived)
        except (
            Exception
        ) as error:  # a record of whatever form, or an archive that is down: the thread must live on
            self._drop(1, f"a record cannot be stored ({type(error).__name__})")
            return None

    def _deliver(self, batch: _Batch) -> None:
        """Until all of it is in the table, refused for good, or the end has come."""
        pause_s = FIRST_PAUSE_S
        while batch:
            if time.monotonic() >= self._end_s:
                self._drop(len(batch), "the table did not take them before the end")
                return
            before = len(batch)
            batch = self._write(batch)
            if batch:
                self._pause(pause_s)
            pause_s = FIRST_PAUSE_S if len(batch) < before else min(2 * pause_s, LONGEST_PAUSE_S)

    def _write(self, batch: _Batch) -> _Batch:
        """One try; returns what is left to be tried again."""
        requests: list[Any] = [{"PutRequest": {"Item": item}} for item in batch.values()]
        try:
            answer = self._client.batch_write_item(RequestItems={self._table: requests})
        except Exception as error:  # whatever happens to a batch, the thread must live for the next
            code = error_code(error) or type(error).__name__
            if code in REFUSED_FOR_GOOD:
                return self._apart(batch, code)
            self._warn(f"the table takes nothing ({code})")
            return batch
        left: list[Any] = list(answer.get("UnprocessedItems", {}).get(self._table, ()))
        items = [request["PutRequest"]["Item"] for request in left]
        return {(item["request_id"]["S"], item["kind"]["S"]): item for item in items}

    def _apart(self, batch: _Batch, code: str) -> _Batch:
        """One bad item spoils its batch: each is tried alone, and the one that is refused alone is dropped."""
        if len(batch) == 1:
            self._drop(1, f"the table refuses a record ({code})")
            return {}
        left: _Batch = {}
        for key, item in batch.items():
            left |= self._write({key: item})
        return left

    def _pause(self, pause_s: float) -> None:
        """Wait about so long, and not past the end. After `close` the event is set and can't be waited for."""
        left_s = max(0.0, self._end_s - time.monotonic())
        wait_s = min(left_s, pause_s * self._chance.uniform(0.5, 1.0))
        if self._stop.is_set():
            time.sleep(wait_s)
        else:
            self._stop.wait(wait_s)

    def _drop(self, count: int, why: str) -> None:
        self._lost += count
        self._warn(why)

    def _warn(self, why: str) -> None:
        """At most one line a minute, without the record."""
        now = time.monotonic()
        if now - self._warned_s >= _WARN_S:
            self._warned_s = now
            _log.warning("decisions table: %s; %d records dropped so far", why, self.dropped)
