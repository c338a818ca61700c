"""Carries the outbox to the gateway: reports in batches, waiting requests one by one and in order within a session.

Only what the gateway answered for leaves the outbox. What it refuses for good is dropped, or it would be sent for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from edge_runtime.engines.owner import OwnerThread
from edge_runtime.sdk.errors import ClientError
from edge_runtime.sdk.link import Said
from edge_runtime.sdk.outbox import Item, Outbox

BATCH: Final = 128
SEND_S: Final = 15.0
REQUEST_S: Final = 120.0
_LONGEST_SLEEP_S: Final = 300.0


class Sender(Protocol):
    """The way to the gateway. Raises `ClientError`."""

    async def send(
        self, path: str, body: dict[str, Any], *, timeout_s: float, idempotency_key: str | None = None
    ) -> Said: ...


class Courier:
    """`thread` owns the outbox. `uniform` spreads the retries of many devices."""

    def __init__(
        self,
        outbox: Outbox,
        thread: OwnerThread,
        sender: Sender,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._outbox, self._thread, self._sender, self._uniform = outbox, thread, sender, uniform
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Something was put in, or the network is back."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled: deliver what is due, then sleep until something is."""
        while True:
            self._news.clear()
            await self.deliver()
            wait = await self._thread.run(self._outbox.next_due_s)
            if wait == 0.0:
                wait = 1.0  # due, and not delivered: its session's first request waits
            limit = _LONGEST_SLEEP_S if wait is None else min(wait, _LONGEST_SLEEP_S)
            # Not wait_for: in Python 3.11 it can swallow the cancellation that ends this task.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._news.wait()

    async def deliver(self) -> None:
        """Send what is due until nothing is, or something fails. Never raises `ClientError`."""
        while await self._reports() or await self._requests():
            pass

    async def _reports(self) -> bool:
        """One batch; whether there may be more."""
        items = await self._thread.run(self._outbox.due, ("report", "judgement"), BATCH)
        if not items:
            return False
        body = {
            "reports": [item.body for item in items if item.kind == "report"],
            "judgements": [item.body for item in items if item.kind == "judgement"],
        }
        try:
            await self._sender.send("/device/outcomes", body, timeout_s=SEND_S)
        except ClientError as error:
            await self._failed(items, error)
            return not error.retryable
        await self._thread.run(self._outbox.delivered, [item.id for item in items])
        return True

    async def _requests(self) -> bool:
        items = await self._thread.run(self._outbox.due, ("request",), 1)
        if not items:
            return False
        item = items[0]
        try:
            said = await self._sender.send(
                "/inference", dict(item.body), timeout_s=REQUEST_S, idempotency_key=item.id
            )
        except ClientError as error:
            if error.retryable:
                await self._thread.run(self._outbox.later, items, self._uniform())
                return False
            result = {"error": {"reason": error.reason, "detail": str(error)}}
            await self._thread.run(self._outbox.answered, item, result)
            return True
        await self._thread.run(self._outbox.answered, item, {"answer": said.body})
        return True

    async def _failed(self, items: Sequence[Item], error: ClientError) -> None:
        """Refused for good: one bad report must not take its batch with it, so a batch is halved down to it."""
        if error.retryable:
            await self._thread.run(self._outbox.later, items, self._uniform())
        elif len(items) == 1:
            await self._thread.run(self._outbox.delivered, [items[0].id])
        else:
            await self._halved(items)

    async def _halved(self, items: Sequence[Item]) -> None:
        middle = len(items) // 2
        for part in (items[:middle], items[middle:]):
            body = {
                "reports": [item.body for item in part if item.kind == "report"],
                "judgements": [item.body for item in part if item.kind == "judgement"],
            }
            try:
                await self._sender.send("/device/outcomes", body, timeout_s=SEND_S)
            except ClientError as error:
                await self._failed(part, error)
            else:
                await self._thread.run(self._outbox.delivered, [item.id for item in part])
