"""Versioned state in Redis: conditional writes are one script each, so that two writers never both win."""

from __future__ import annotations

import math
from typing import Any, Final

from redis.asyncio import Redis

from router_core.adapters.redis.link import RedisLink
from router_core.errors import StaleStateError, StoreError
from router_core.ports import Versioned

MAX_VALUE_BYTES: Final = 1024 * 1024
LONGEST_TTL_S: Final = 400 * 24 * 3600.0
_PUT: Final = """
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= version then return 0 end
redis.call('HSET', KEYS[1], 'version', version + 1, 'value', ARGV[1])
if ARGV[3] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return version + 1
"""
"""One key per entry, so the script runs on a cluster as it is."""


class RedisStateStore:
    """StateStore in Redis. An entry that was deleted or ran out starts again at version 1."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._put = link.script(_PUT)

    async def get(self, key: str) -> Versioned | None:
        """The value and its version, None when there is none."""
        name = self._link.key("state", key)
        version, value = await self._link.call(lambda client: _fields(client, name))
        if version is None or value is None:
            return None
        return Versioned(value=value, version=int(version))

    async def put(
        self, key: str, value: bytes, *, expected: int | None = None, ttl_s: float | None = None
    ) -> int:
        """The new version. See `StateStore`; a value above MAX_VALUE_BYTES is refused with `StoreError`."""
        if len(value) > MAX_VALUE_BYTES:
            raise StoreError("the value is too large for the shared store")
        name = self._link.key("state", key)
        condition = "" if expected is None else expected
        version = int(await self._put(name, value, condition, _ttl_ms(ttl_s)))
        if version == 0:
            raise StaleStateError("another writer was faster")
        return version

    async def delete(self, key: str) -> None:
        """Forget the value, if there is one."""
        name = self._link.key("state", key)
        await self._link.call(lambda client: client.unlink(name))


def _ttl_ms(ttl_s: float | None) -> int | str:
    """Empty is for ever. What is not above 0 is gone at once."""
    if ttl_s is None:
        return ""
    return math.ceil(min(ttl_s, LONGEST_TTL_S) * 1000.0) if ttl_s > 0.0 else 1


async def _fields(client: Redis, name: str) -> tuple[bytes | None, bytes | None]:
    found: Any = await client.hmget(name, ["version", "value"])
    return found[0], found[1]
