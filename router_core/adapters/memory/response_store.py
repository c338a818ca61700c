"""The response cache in this process: bounded in bytes and entries, the longest unused goes first.

Enough for one worker; several workers, or one that restarts, share nothing through it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from router_core.ports import Clock

ENTRY_OVERHEAD_BYTES: Final = 300
"""What an entry costs beside its key and value, so that a million empty answers don't count as nothing."""


class MemoryResponseStore:
    """ResponseStore in memory. Never raises `StoreError`. An answer that alone is above `max_bytes` is not kept."""

    def __init__(self, *, max_bytes: int, max_entries: int, clock: Clock) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """What the entries count for, overhead included."""
        return self._bytes

    async def get(self, key: str) -> bytes | None:
        """The answer, or None when it is unknown or older than its time to live."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock.monotonic_s() >= entry[1]:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry[0]

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep for `ttl_s` seconds; not above 0 (or not a number) means: not at all."""
        self._remove(key)
        cost = _cost(key, value)
        if not ttl_s > 0.0 or cost > self._max_bytes or self._max_entries < 1:
            return
        self._entries[key] = (bytes(value), self._clock.monotonic_s() + ttl_s)
        self._bytes += cost
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self._remove(next(iter(self._entries)))

    async def evict(self, key: str) -> None:
        """Forget the answer, if there is one."""
        self._remove(key)

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _cost(key, entry[0])


def _cost(key: str, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_OVERHEAD_BYTES
