"""Takes over what operators change while workers run, and goes back when they do. A version that is not in form is left out, told
once, and the last good one stays."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from router_core.errors import StoreError
from router_core.jobs.tuning import NOTHING, Tuning, parse
from router_core.policy.judging import Judging

_log: Final = logging.getLogger("tierwise.jobs")
_AWAY_S: Final = 15.0


class Document(Protocol):
    """Where the document is; blocking. Raises `StoreError`."""

    every_s: float

    def latest(self) -> bytes | None:
        """The document where it is another than before."""


class Tuned:
    """What holds now. Runs beside the workers, and is drained with them. `refused` counts versions that were left out."""

    running = 0

    def __init__(self, document: Callable[[], Document] | None = None) -> None:
        self._make = document
        self._document: Document | None = None
        self._told: list[Callable[[Tuning], None]] = []
        self._stopping = asyncio.Event()
        self._away = False
        self.current, self.refused = NOTHING, 0

    def heard(self, act: Callable[[Tuning], None]) -> None:
        """Also tell this one, now and at each change."""
        self._told.append(act)
        act(self.current)

    def judging(self, rules: Judging) -> Judging:
        """The policy's rules with what is changed of them."""
        now = self.current
        if now is NOTHING:  # asked with every answer
            return rules
        rate = rules.rate if now.rate is None else now.rate
        return replace(
            rules, rate=rate, unsure_rate=rules.unsure_rate if now.unsure_rate is None else now.unsure_rate
        )

    def wake(self) -> None:
        """Jobs are not its business."""

    def drain(self) -> None:
        """Take nothing more over."""
        self._stopping.set()

    async def run(self) -> None:
        """Look as often as the document allows."""
        while self._make is not None and not self._stopping.is_set():
            await self.once()
            await self._pause()

    async def once(self) -> bool:
        """Whether something was taken over."""
        try:
            content = await asyncio.to_thread(self._latest)
        except StoreError as error:
            if not self._away:
                _log.warning("the tuning of jobs stays as it is: %s", error)
            self._away = True
            return False
        self._away = False
        return content is not None and self._taken(content)

    def _latest(self) -> bytes | None:
        if self._make is None:
            return None
        if self._document is None:
            # Here, on a thread: it may load an SDK.
            self._document = self._make()
        return self._document.latest()

    def _taken(self, content: bytes) -> bool:
        try:
            tuning = parse(content)
        except ValueError as error:
            self.refused += 1
            _log.warning("a tuning of jobs was left out: %s", error)
            return False
        if tuning == self.current:
            return False
        self.current = tuning
        for tell in self._told:
            tell(tuning)
        return True

    async def _pause(self) -> None:
        every_s = _AWAY_S if self._document is None else self._document.every_s
        waiting = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({waiting}, timeout=every_s)
        waiting.cancel()
