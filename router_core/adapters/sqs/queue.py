"""The queue on AWS: SQS says that there is a message, SQL says whose it is.

A note from SQS is worth nothing by itself: only whoever the message's row is then lent to works on it. Notes that come twice,
late or out of order find no row to lend and are deleted. The lease in SQS is a little longer than the row's, so that a note
whose worker died comes when the row is free again.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence
from typing import Final

from router_core.adapters.aws.client import AwsThreads
from router_core.adapters.sql.queue import SqlJobQueue
from router_core.adapters.sqs.carrier import Carrier
from router_core.adapters.sqs.notes import Received, note_of
from router_core.errors import StoreError
from router_core.jobs.records import Claim

WAIT_S: Final = 5
"""A long poll. A drain waits for it, so it is not SQS's longest."""
LONGER_S: Final = 2
NOT_OURS: Final = "not a message of ours"


class SqsJobQueue:
    """JobQueue over SQS, whose messages are rows of `rows`."""

    def __init__(
        self, carrier: Carrier, rows: SqlJobQueue, threads: AwsThreads, *, wait_s: int = WAIT_S
    ) -> None:
        self._carrier, self._rows, self._threads, self._wait_s = carrier, rows, threads, wait_s
        self._receipts: dict[tuple[str, str], tuple[str, ...]] = {}
        self._doubtful, self._closed = False, False

    async def claim(self, queue: str, most: int, lent_s: float) -> tuple[Claim, ...]:
        """Up to `most` messages, after a wait where there is none. Raises `StoreError`."""
        if self._doubtful:
            # Each receipt counts: while SQL is away, nothing is received that could only be given back.
            await self._rows.take(queue, (), lent_s)
            self._doubtful = False
        hidden_s = math.ceil(lent_s) + LONGER_S
        received = await self._threads.run(self._receive, queue, most, hidden_s)
        return await self.taken(queue, received, lent_s) if received else ()

    async def taken(self, queue: str, received: Sequence[Received], lent_s: float) -> tuple[Claim, ...]:
        """The claims behind received messages; the other messages are done with. Raises `StoreError`, and then all
        of them come again."""
        receipts = await self._read(queue, received)
        try:
            claims = await self._rows.take(queue, tuple(receipts), lent_s)
        except StoreError:
            self._doubtful = True
            raise
        for claim in claims:
            self._receipts[claim.key, claim.token] = tuple(receipts.pop(claim.key))
        await self._end(queue, [one for several in receipts.values() for one in several])
        return claims

    async def extend(self, claim: Claim, lent_s: float) -> bool:
        """Keep it for `lent_s` from now; False when it is no longer this worker's. Raises `StoreError`."""
        if not await self._rows.extend(claim, lent_s):
            return False
        hidden_s = math.ceil(lent_s) + LONGER_S
        # A note that comes too early finds its row lent; the row is what counts.
        with contextlib.suppress(StoreError):
            for receipt in self._receipts.get((claim.key, claim.token), ()):
                await self._threads.run(self._carrier.hide, claim.queue, receipt, hidden_s)
        return True

    async def release(self, claim: Claim, delay_s: float, reason: str, *, counted: bool = True) -> bool:
        """Give it back, to be published again after `delay_s`. Raises `StoreError`."""
        released = await self._rows.release(claim, delay_s, reason, counted=counted)
        await self.settle(claim)
        return released

    async def settle(self, claim: Claim) -> None:
        """Its note is done with."""
        await self._end(claim.queue, self._receipts.pop((claim.key, claim.token), ()))

    def close(self) -> None:
        """What a poll still receives goes back at once."""
        self._closed = True

    def _receive(self, queue: str, most: int, hidden_s: int) -> list[Received]:
        received = self._carrier.receive(queue, most, self._wait_s, hidden_s)
        if not self._closed:
            return received
        for one in received:
            with contextlib.suppress(StoreError):
                self._carrier.hide(queue, one.receipt or "", 0)
        return []

    async def _read(self, queue: str, received: Sequence[Received]) -> dict[str, list[str]]:
        """Receipts by key. What nobody of ours wrote goes to the dead ones."""
        receipts: dict[str, list[str]] = {}
        for one in received:
            note = note_of(one.body)
            mine = [] if one.receipt is None else [one.receipt]
            if note is not None and note.queue == queue:
                receipts.setdefault(note.key, []).extend(mine)
            else:
                await self._threads.run(self._carrier.bury, queue, one.body, NOT_OURS, 0)
                await self._end(queue, mine)
        return receipts

    async def _end(self, queue: str, receipts: Sequence[str]) -> None:
        if receipts:
            with contextlib.suppress(StoreError):
                await asyncio.shield(self._threads.run(self._carrier.end, queue, receipts))
