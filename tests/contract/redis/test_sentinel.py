"""The primary dies: the sentinels choose another, and the stores follow without being told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from router_core.adapters.redis.client import RedisPlace, open_client
from router_core.adapters.redis.link import RedisLink
from router_core.adapters.redis.rate_limit import RedisRateLimiter
from router_core.adapters.redis.response_store import RedisResponseStore
from router_core.adapters.system_clock import SystemClock
from router_core.errors import StoreError
from router_core.reliability.key_limits import KeyLimits
from tests.contract.redis.linked import comes_true
from tests.contract.redis.servers import MASTER, until, watched_redis


async def test_after_a_failover_the_stores_work_again_and_meanwhile_fail_at_once(tmp_path: Path) -> None:
    with watched_redis(tmp_path) as redis:
        place = RedisPlace(sentinels=redis.addresses, master=MASTER, connections=4)
        link = RedisLink(open_client(place), SystemClock(), environment="test", timeout_s=1.0, connections=4)
        store = RedisResponseStore(link)
        limiter = RedisRateLimiter({"k": KeyLimits(requests_per_min=3)}, link)
        try:
            await link.start()
            await store.put("before", b"1", 600.0)
            await limiter.admit("k", 1)
            until(lambda: redis.replica.client.get(link.key("cache", "before")) == b"1")
            redis.primary.kill()
            with pytest.raises(StoreError):
                await store.get("before")
            waited = link.waited
            refused = await asyncio.gather(*(store.get("before") for _ in range(50)), return_exceptions=True)
            assert all(isinstance(error, StoreError) for error in refused)
            assert link.waited == waited  # nobody else waits for the failover
            await comes_true(lambda: link.usable)
            assert await store.get("before") == b"1"
            await store.put("after", b"2", 600.0)
            await limiter.admit("k", 1)
            assert redis.replica.client.get(link.key("cache", "after")) == b"2"
        finally:
            await link.close()
