"""How far jobs are, in Redis: `request:{id}`, for a week. One script compares and writes, so that of two writers the one who
knows more stays."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import Redis

from router_core.adapters.redis.link import RedisLink
from router_core.jobs.live import KEPT_S, RANK, LiveState

_PUT: Final = """
local rank = tonumber(redis.call('HGET', KEYS[1], 'rank') or '-1')
if rank > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'rank', ARGV[1], 'tenant', ARGV[2], 'stage', ARGV[3], 'created_s', ARGV[4],
  'runs', ARGV[5], 'written_s', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1
"""
_FIELDS: Final = ("tenant", "stage", "created_s", "runs", "written_s")


class RedisLiveStates:
    """LiveStates in Redis."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._put = link.script(_PUT)

    async def put(self, state: LiveState) -> bool:
        """See `LiveStates`. Raises `StoreError`."""
        written = await self._put(
            self._link.key("request", state.request_id),
            RANK[state.stage],
            state.tenant,
            state.stage,
            repr(state.created_s),
            state.runs,
            repr(state.written_s),
            int(KEPT_S * 1000.0),
        )
        return bool(written)

    async def get(self, request_id: str) -> LiveState | None:
        """The state, None where none is known. Raises `StoreError`."""
        name = self._link.key("request", request_id)
        found = await self._link.call(lambda client: _fields(client, name))
        tenant, stage, created, runs, written = (None if one is None else one.decode() for one in found)
        if tenant is None or stage is None or stage not in RANK:
            return None
        return LiveState(
            request_id=request_id,
            tenant=tenant,
            stage=stage,
            created_s=float(created or 0.0),
            runs=int(runs or 0),
            written_s=float(written or 0.0),
        )


async def _fields(client: Redis, name: str) -> list[bytes | None]:
    found: Any = await client.hmget(name, list(_FIELDS))
    return list(found)
