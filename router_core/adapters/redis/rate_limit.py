"""Requests and tokens per minute per key in Redis: one count for all workers and replicas, exact for all of them.

The arithmetic is that of `router_core.reliability.rate_limit`, written once more as a script, because only the server
can look and charge in one step. Its clock is Redis's own, so machines need not agree on the time. What was reserved for
whom is noted here: whoever admits a request also settles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from router_core.adapters.redis.link import RedisLink
from router_core.reliability.key_limits import UNKNOWN, KeyLimits, Reservations, refused
from router_core.reliability.rate_limit import GUARD_S, WINDOW_S

LARGEST: Final = 2**52
"""Lua counts in doubles; a larger estimate is above any limit anyway."""
_WINDOWS: Final = f"""
local key, time = KEYS[1], redis.call('TIME')
local second = tonumber(time[1])
local now = second + tonumber(time[2]) / 1000000

-- A window is fields of one hash: one per second that holds something, their total, the first and the last of them.
local function head(window)
  local found = redis.call('HMGET', key, window .. 'total', window .. 'first', window .. 'last')
  return tonumber(found[1] or '0'), tonumber(found[2] or '-1'), tonumber(found[3] or '-1')
end

-- Without the seconds that no longer count: at most a window's length of them, and each only once.
local function current(window)
  local total, first, last = head(window)
  local oldest = second - {WINDOW_S}
  if first < 0 or first >= oldest then return total, first, last end
  for slot = first, math.min(last, oldest - 1) do
    total = total - tonumber(redis.call('HGET', key, window .. slot) or '0')
    redis.call('HDEL', key, window .. slot)
  end
  first = oldest
  if last < oldest then total, first, last = 0, -1, -1 end
  redis.call('HSET', key, window .. 'total', string.format('%.0f', total), window .. 'first', first, window .. 'last', last)
  return total, first, last
end

local function wait(window, limit, amount)
  local total, first, last = current(window)
  local excess = total + amount - limit
  if excess <= 0 then return 0 end
  local slot = second
  if first >= 0 then
    for candidate = first, last do
      local held = tonumber(redis.call('HGET', key, window .. candidate) or '0')
      excess = excess - held
      -- For a request above the limit itself: until the last amount has left.
      if held > 0 then slot = candidate end
      if excess <= 0 then break end
    end
  end
  return math.max(0, slot + {WINDOW_S} + 1 - now) + {GUARD_S}
end

-- A clock that went back counts as standing still: the amount goes into the last second there is.
local function charge(window, amount)
  local _, first, last = current(window)
  local slot = math.max(second, last)
  redis.call('HINCRBY', key, window .. slot, amount)
  redis.call('HINCRBY', key, window .. 'total', amount)
  redis.call('HSET', key, window .. 'first', first < 0 and slot or first, window .. 'last', slot)
  redis.call('EXPIRE', key, {2 * WINDOW_S})
  return slot
end
"""
_ADMIT: Final = (
    _WINDOWS
    + """
local per_min, tokens_per_min, tokens = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local request_wait = per_min and wait('r', per_min, 1) or 0
local token_wait = tokens_per_min and wait('t', tokens_per_min, tonumber(tokens)) or 0
if token_wait > request_wait then return {'tokens', string.format('%.6f', token_wait)} end
if request_wait > 0 then return {'requests', string.format('%.6f', request_wait)} end
if per_min then charge('r', 1) end
return {'admitted', tokens_per_min and tonumber(tokens) > 0 and charge('t', tokens) or second}
"""
)
_CHARGE: Final = _WINDOWS + "return charge('t', ARGV[1])"
_REFUND: Final = (
    _WINDOWS
    + """
local slot, held = tonumber(ARGV[1]), tonumber(redis.call('HGET', key, 't' .. ARGV[1]) or '0')
local left = held - math.min(held, tonumber(ARGV[2]))
if held == 0 then return 0 end
redis.call('HINCRBY', key, 'ttotal', string.format('%.0f', left - held))
if left > 0 then
  redis.call('HSET', key, 't' .. slot, string.format('%.0f', left))
  return 1
end
redis.call('HDEL', key, 't' .. slot)
local _, first, last = head('t')
if slot < last then return 1 end
-- An empty second is no longer the last one: what comes after a clock went back must not be put into it.
repeat last = last - 1 until last < first or redis.call('HEXISTS', key, 't' .. last) == 1
if last < first then first, last = -1, -1 end
redis.call('HSET', key, 'tfirst', first, 'tlast', last)
return 1
"""
)


class RedisRateLimiter:
    """RateLimiter in Redis; keys without limits and unknown keys as in `MemoryRateLimiter`. Raises `StoreError` when
    Redis cannot be reached."""

    def __init__(self, limits: Mapping[str, KeyLimits | None], link: RedisLink) -> None:
        self._limits = limits
        self._link = link
        self._admit, self._charge = link.script(_ADMIT), link.script(_CHARGE)
        self._refund = link.script(_REFUND)
        self._reserved: dict[str, Reservations] = {}

    async def admit(self, key_id: str, tokens: int) -> None:
        """Count one request and reserve `tokens`. Raises `RateLimitedError`."""
        limits = self._limits.get(key_id, UNKNOWN)
        if limits is None:
            return
        if limits is UNKNOWN:
            raise refused(UNKNOWN, None, 0.0)
        tokens = max(0, tokens)
        bounds = (_text(limits.requests_per_min), _text(limits.tokens_per_min))
        verdict, figure = await self._admit(self._name(key_id), *bounds, min(tokens, LARGEST))
        if verdict == b"admitted":
            if limits.tokens_per_min is not None and tokens:
                self._reserved.setdefault(key_id, Reservations()).add(int(figure), tokens)
            return
        raise refused(limits, tokens if verdict == b"tokens" else None, float(figure))

    async def settle(self, key_id: str, estimated: int, used: int) -> None:
        """Replace the reservation of `estimated` by what was `used`; no round trip when they are equal."""
        limits = self._limits.get(key_id)
        if limits is None or limits.tokens_per_min is None:
            return
        estimated = max(0, estimated)
        reserved = self._reserved.get(key_id)
        second = None if reserved is None else reserved.take(estimated)
        if used > estimated:
            await self._charge(self._name(key_id), min(used - estimated, LARGEST))
        elif second is not None and used < estimated:
            await self._refund(self._name(key_id), second, min(estimated - max(0, used), LARGEST))

    def _name(self, key_id: str) -> str:
        return self._link.key("limit", key_id)


def _text(limit: int | None) -> int | str:
    """`tonumber('')` is nil in Lua: no limit."""
    return "" if limit is None else limit
