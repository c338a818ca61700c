"""Which models are open: within a budget of memory, the least recently used closed first, and all closed when idle.

hot: open; warm: closed lately, its files likely still in the page cache; cold: on disk only. A model that is working is
never closed, one that is expected soon not for being idle. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from edge_runtime.opening import open_model

BUDGET_MB: Final = 512
IDLE_S: Final = 300.0
Open = Callable[[Path, int], tuple[Any, Any]]


@dataclass(slots=True, kw_only=True)
class _Tenant:
    model: Any
    owner: Any
    memory_mb: int
    used_s: float
    busy: int = 0


class Residence:
    """`opened` opens the model of a folder; `idle_s` after its last use a model is closed."""

    def __init__(
        self,
        *,
        budget_mb: int = BUDGET_MB,
        idle_s: float = IDLE_S,
        opened: Open = open_model,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget_mb, self._idle_s, self._opened, self._now_s = budget_mb, idle_s, opened, now_s
        self._hot: OrderedDict[Path, _Tenant] = OrderedDict()
        self._warm: set[Path] = set()
        self._guard = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self.expected: frozenset[Path] = frozenset()

    @asynccontextmanager
    async def use(self, folder: Path, memory_mb: int) -> AsyncIterator[Any]:
        """The open model, kept open while it is used. Raises `RefusedError` when it cannot be opened."""
        tenant = self._hot.get(folder) or await self._admit(folder, memory_mb)
        tenant.busy += 1
        try:
            yield tenant.model
        finally:
            tenant.busy -= 1
            tenant.used_s = self._now_s()
            self._hot.move_to_end(folder)

    def warmth(self, folder: Path) -> Literal["hot", "warm", "cold"]:
        """How near a model is to answering."""
        return "hot" if folder in self._hot else "warm" if folder in self._warm else "cold"

    def fits(self, memory_mb: int) -> bool:
        """Whether a model of this size may be opened without closing another."""
        return self._taken_mb() + memory_mb <= self._budget_mb

    def rest(self) -> None:
        """Close what nobody used for `idle_s`."""
        horizon = self._now_s() - self._idle_s
        for folder, tenant in tuple(self._hot.items()):
            if not tenant.busy and tenant.used_s <= horizon and folder not in self.expected:
                self._close(folder)

    def close(self) -> None:
        """Close everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for folder in tuple(self._hot):
            self._close(folder)

    async def _admit(self, folder: Path, memory_mb: int) -> _Tenant:
        async with self._guard:
            found = self._hot.get(folder)
            if found is not None:
                return found
            self._make_room(memory_mb)
            model, owner = await asyncio.to_thread(self._opened, folder, 1)
            tenant = _Tenant(model=model, owner=owner, memory_mb=memory_mb, used_s=self._now_s())
            self._hot[folder] = tenant
            self._warm.discard(folder)
            self._watch()
            return tenant

    def _watch(self) -> None:
        """Look again when something may have been idle for long enough; nothing is open, nothing is watched."""
        if self._timer is None and self._hot:
            self._timer = asyncio.get_running_loop().call_later(max(0.01, self._idle_s / 4), self._look)

    def _look(self) -> None:
        self._timer = None
        self.rest()
        self._watch()

    def _taken_mb(self) -> int:
        return sum(tenant.memory_mb for tenant in self._hot.values())

    def _make_room(self, memory_mb: int) -> None:
        """A model larger than the budget still opens, alone: refusing it would be the disk's news at the wrong time."""
        for folder in tuple(self._hot):
            if self.fits(memory_mb):
                return
            if not self._hot[folder].busy:
                self._close(folder)

    def _close(self, folder: Path) -> None:
        self._hot.pop(folder).owner.close()
        self._warm.add(folder)
