"""Hands messages from the outbox to the transport: at once when something was stored, and every second in case that nobody
said so. At least once: a relay that dies between handing over and noting it has it done again by another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from router_core.errors import StoreError
from router_core.jobs.records import Parcel

_log: Final = logging.getLogger("tierwise.jobs")
LOOK_S: Final = 1.0
AWAY_S: Final = 2.0
AT_ONCE: Final = 50


class Outbox(Protocol):
    """Messages on their way out; see `router_core/adapters/sql/outbox.py`. Raises `StoreError`."""

    async def due(self, most: int) -> tuple[Parcel, ...]: ...

    async def sent(self, parcels: Sequence[Parcel]) -> None: ...


class Relay:
    """Hands over. `publish` answers with those that were taken and raises `StoreError`."""

    def __init__(
        self, outbox: Outbox, publish: Callable[[Sequence[Parcel]], Awaitable[list[Parcel]]]
    ) -> None:
        self._outbox, self._publish = outbox, publish
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """There is something to hand over."""
        self._changed.set()

    async def stop(self) -> None:
        """Hand over what is due, once, and look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(StoreError):
            await self.once()

    async def once(self) -> int:
        """Hand over all that is due; how many. Raises `StoreError`."""
        count = 0
        while parcels := await self._outbox.due(AT_ONCE):
            taken = await self._publish(parcels)
            await self._outbox.sent(taken)
            count += len(taken)
            if len(parcels) < AT_ONCE:
                break
        return count

    async def _run(self) -> None:
        away = False
        while True:
            self._changed.clear()
            try:
                await self.once()
                away = False
            except StoreError as error:
                if not away:
                    _log.warning("messages wait to be published: %s", error)
                away = True
            except Exception:
                # The loop must not end: accepted jobs would wait for ever.
                _log.exception("the outbox could not be read")
                away = True
            await self._pause(away=away)

    async def _pause(self, *, away: bool) -> None:
        if away:
            await asyncio.sleep(AWAY_S)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._changed.wait()
