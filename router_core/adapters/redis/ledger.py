"""Spent money in Redis: one counter per account and period, moved by scripts, exact whoever else counts.

Whole micro-USD below 2^53, where Lua's numbers are exact: nine billion dollars per account and period.
"""

from __future__ import annotations

from typing import Final

from router_core.adapters.redis.link import RedisLink

KEEP_S: Final = 400 * 24 * 3600
"""Long enough to compare a month with the same month of last year."""
_RESERVE: Final = """
local spent = tonumber(redis.call('GET', KEYS[1]) or '0')
if spent + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
_SETTLE: Final = """
if redis.call('INCRBY', KEYS[1], ARGV[1]) < 0 then redis.call('SET', KEYS[1], 0) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""
"""Below 0 only after Redis lost a reservation; a debt of ours would let the account spend twice."""


class RedisLedger:
    """Ledger in Redis. Raises `StoreError` when it cannot be reached."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._reserve, self._settle = link.script(_RESERVE), link.script(_SETTLE)

    async def reserve(self, account: str, period: str, amount: int, limit: int) -> bool:
        """Set `amount` aside, or nothing when that would pass `limit`."""
        name = self._name(account, period)
        return bool(await self._reserve(name, max(0, amount), limit, KEEP_S))

    async def settle(self, account: str, period: str, reserved: int, used: int) -> None:
        """Replace what was reserved by what was used."""
        name = self._name(account, period)
        change = max(0, used) - max(0, reserved)
        await self._settle(name, change, KEEP_S)

    async def spent(self, account: str, period: str) -> int:
        """Reserved and used together."""
        name = self._name(account, period)
        found: bytes | None = await self._link.call(lambda client: client.get(name))
        return int(found or 0)

    def _name(self, account: str, period: str) -> str:
        # The period has no colon of its own to be confused with; an account may hold anything.
        return self._link.key("ledger", f"{period}:{account}")
