"""A Redis that hangs or dies: one wait per request at most, none afterwards, limits that still hold, and back by itself.

What is counted is calls that waited, never milliseconds of the whole: the machine may be busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.composition.stores import SharedLimits
from router_core.adapters.memory.rate_limit import MemoryRateLimiter
from router_core.adapters.redis.link import RedisLink
from router_core.adapters.redis.rate_limit import RedisRateLimiter
from router_core.adapters.redis.response_store import RedisResponseStore
from router_core.adapters.system_clock import SystemClock
from router_core.errors import RateLimitedError, StoreError
from router_core.ports import RateLimiter, ResponseStore
from router_core.reliability.key_limits import KeyLimits
from tests.contract.redis.linked import comes_true, linked
from tests.contract.redis.servers import Server, running_redis

TIMEOUT_S = 0.2
WHOLE, SHARE = 1_000, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What a worker has: the cache and the limits over one link."""

    link: RedisLink
    server: Server
    responses: ResponseStore
    limiter: RateLimiter

    async def request(self, key: str = "k") -> bool:
        """The steps that one request takes with the stores, as the gateway takes them; whether it was admitted."""
        try:
            await self.limiter.admit(key, 10)
        except RateLimitedError:
            return False
        with contextlib.suppress(StoreError):
            await self.responses.get("a")
        with contextlib.suppress(StoreError):
            await self.responses.put("b", b"2", 60.0)
        await self.limiter.settle(key, 10, 7)
        return True

    async def until_usable(self) -> None:
        await comes_true(lambda: self.link.usable)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_redis(tmp_path) as started:
        yield started


@pytest.fixture
async def house(server: Server) -> AsyncIterator[House]:
    async with linked(server, timeout_s=TIMEOUT_S) as redis:
        shared = RedisRateLimiter({"k": KeyLimits(requests_per_min=WHOLE, tokens_per_min=10**6)}, redis.link)
        share = KeyLimits(requests_per_min=SHARE, tokens_per_min=10**6)
        made = House(
            link=redis.link,
            server=server,
            responses=RedisResponseStore(redis.link),
            limiter=SharedLimits(shared, MemoryRateLimiter({"k": share}, SystemClock())),
        )
        await redis.link.start()
        await made.responses.put("a", b"1", 600.0)
        yield made


async def test_a_paused_redis_is_waited_for_once_and_limits_hold_without_it(house: House) -> None:
    assert await house.request()
    house.server.pause()
    admitted = [await house.request() for _ in range(SHARE + 20)]
    assert house.link.waited == 1
    assert admitted == [True] * SHARE + [False] * 20


async def test_many_requests_at_once_wait_at_most_once_each(house: House) -> None:
    """No more of them than there are connections: the others were still queueing when the first came back."""
    house.server.pause()
    admitted = await asyncio.gather(*(house.request() for _ in range(40)))
    assert 1 <= house.link.waited <= 8
    assert sum(admitted) == SHARE


async def test_nobody_waits_while_it_stays_away_and_nobody_is_needed_to_find_it_back(house: House) -> None:
    house.server.pause()
    await house.request()
    await asyncio.sleep(0.5)
    await house.request()
    assert house.link.waited == 1
    assert not house.link.usable
    house.server.resume()
    await house.until_usable()
    assert house.link.waited == 1
    assert await house.responses.get("a") == b"1"


async def test_late_answers_are_never_taken_for_others(house: House) -> None:
    """Connections that were left in the middle of a reply must not be used again."""
    for round_ in range(3):
        house.server.pause()
        late = [house.responses.get("a") for _ in range(6)]
        assert all(isinstance(one, StoreError) for one in await asyncio.gather(*late, return_exceptions=True))
        house.server.resume()
        await house.until_usable()
        for n in range(12):
            await house.responses.put(f"x{n}", b"%d-%d" % (round_, n), 60.0)
        found = await asyncio.gather(*(house.responses.get(f"x{n}") for n in range(12)))
        assert found == [b"%d-%d" % (round_, n) for n in range(12)]


async def test_a_killed_redis_comes_back_empty_and_is_used_again(house: House) -> None:
    house.server.kill()
    assert [await house.request() for _ in range(SHARE + 1)] == [True] * SHARE + [False]
    assert house.link.waited == 0  # refused connections need no waiting
    house.server.start()
    await house.until_usable()
    assert await house.responses.get("a") is None
    # The scripts are gone, too, and are sent again.
    assert [await house.request() for _ in range(SHARE * 3)] == [True] * SHARE * 3


async def test_a_gateway_starts_without_redis_and_finds_it_later(server: Server) -> None:
    server.client.ping()
    async with linked(server, timeout_s=TIMEOUT_S) as redis:
        server.kill()
        await redis.link.start()
        assert not redis.link.usable
        server.start()
        await comes_true(lambda: redis.link.usable)


async def test_a_busy_process_does_not_blame_redis(house: House) -> None:
    async def hog() -> None:
        for _ in range(3):
            time.sleep(0.75 * TIMEOUT_S)  # noqa: ASYNC251  # blocking the loop is what this test is about
            await asyncio.sleep(0)

    # Most of them open a connection first, and so need the loop more than once.
    *found, _ = await asyncio.gather(*(house.responses.get("a") for _ in range(8)), hog())
    assert found == [b"1"] * 8
    assert (house.link.waited, house.link.usable) == (0, True)


async def test_one_refused_command_does_not_close_the_way_for_others(house: House) -> None:
    house.server.client.lpush(house.link.key("cache", "list"), b"1")
    with pytest.raises(StoreError):
        await house.responses.get("list")
    assert await house.responses.get("a") == b"1"


async def test_a_primary_that_became_a_replica_is_left_at_once(house: House) -> None:
    house.server.client.replicaof("127.0.0.1", "1")
    with pytest.raises(StoreError):
        await house.responses.put("a", b"2", 60.0)
    assert not house.link.usable
    house.server.client.replicaof("NO", "ONE")
    await house.until_usable()
    await house.responses.put("a", b"3", 60.0)
    assert await house.responses.get("a") == b"3"
