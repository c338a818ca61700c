"""The response cache in Redis: an answer made by one worker or replica is a hit in all of them.

Redis itself forgets: each entry carries its time to live, and the server's `maxmemory` bounds the whole.
"""

from __future__ import annotations

import math
from typing import Final

from router_core.adapters.redis.link import RedisLink

MAX_VALUE_BYTES: Final = 1024 * 1024
"""A larger answer is not kept: its transfer would cost each reader more than a few milliseconds."""
LONGEST_TTL_S: Final = 30 * 24 * 3600.0


class RedisResponseStore:
    """ResponseStore in Redis. Raises `StoreError` when it cannot be reached."""

    def __init__(self, link: RedisLink, *, max_value_bytes: int = MAX_VALUE_BYTES) -> None:
        self._link = link
        self._max_value_bytes = max_value_bytes

    async def get(self, key: str) -> bytes | None:
        """The answer, or None when it is unknown or older than its time to live."""
        name = self._link.key("cache", key)
        found: bytes | None = await self._link.call(lambda client: client.get(name))
        return found

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep for `ttl_s` seconds; not above 0 (or not a number) means: not at all."""
        if not ttl_s > 0.0 or len(value) > self._max_value_bytes:
            await self.evict(key)
            return
        name = self._link.key("cache", key)
        ttl_ms = math.ceil(min(ttl_s, LONGEST_TTL_S) * 1000.0)
        await self._link.call(lambda client: client.set(name, value, px=ttl_ms))

    async def evict(self, key: str) -> None:
        """Forget the answer, if there is one."""
        name = self._link.key("cache", key)
        await self._link.call(lambda client: client.unlink(name))
