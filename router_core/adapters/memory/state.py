"""Versioned state in this process: what one worker needs, and what the others are measured against."""

from __future__ import annotations

from collections import OrderedDict
from math import inf

from router_core.errors import StaleStateError, StoreError
from router_core.ports import Clock, Versioned

MAX_VALUE_BYTES = 1024 * 1024


class MemoryStateStore:
    """StateStore in memory, bounded in entries: the one written longest ago goes first."""

    def __init__(self, clock: Clock, *, max_entries: int = 10_000) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[Versioned, float]] = OrderedDict()

    async def get(self, key: str) -> Versioned | None:
        """The value and its version, None when there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock.monotonic_s() >= entry[1]:
            del self._entries[key]
            return None
        return entry[0]

    async def put(
        self, key: str, value: bytes, *, expected: int | None = None, ttl_s: float | None = None
    ) -> int:
        """The new version. See `StateStore`; a value above MAX_VALUE_BYTES is refused with `StoreError`."""
        if len(value) > MAX_VALUE_BYTES:
            raise StoreError("the value is too large for the shared store")
        found = await self.get(key)
        version = 0 if found is None else found.version
        if expected is not None and expected != version:
            raise StaleStateError("another writer was faster")
        until_s = inf if ttl_s is None else self._clock.monotonic_s() + ttl_s
        self._entries[key] = Versioned(value=bytes(value), version=version + 1), until_s
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return version + 1

    async def delete(self, key: str) -> None:
        """Forget the value, if there is one."""
        self._entries.pop(key, None)
