"""Limits over a shared store that comes and goes: always counted by somebody, settled where they were reserved."""

from __future__ import annotations

import pytest

from gateway.composition.stores import SharedLimits
from router_core.adapters.memory.rate_limit import MemoryRateLimiter
from router_core.errors import RateLimitedError, StoreError
from router_core.reliability.key_limits import KeyLimits
from tests.contract.stores.kinds import SetClock


class Remote:
    """A shared limiter that can be away."""

    def __init__(self, limiter: MemoryRateLimiter) -> None:
        self._limiter = limiter
        self.away = False

    async def admit(self, key_id: str, tokens: int) -> None:
        self._check()
        await self._limiter.admit(key_id, tokens)

    async def settle(self, key_id: str, estimated: int, used: int) -> None:
        self._check()
        await self._limiter.settle(key_id, estimated, used)

    def _check(self) -> None:
        if self.away:
            raise StoreError("away")


@pytest.fixture
def remote() -> Remote:
    return Remote(MemoryRateLimiter({"k": KeyLimits(tokens_per_min=100)}, SetClock()))


@pytest.fixture
def limits(remote: Remote) -> SharedLimits:
    return SharedLimits(remote, MemoryRateLimiter({"k": KeyLimits(tokens_per_min=50)}, SetClock()))


async def fits(limits: SharedLimits, tokens: int) -> bool:
    try:
        await limits.admit("k", tokens)
    except RateLimitedError:
        return False
    return True


async def test_the_shared_limit_holds_and_is_not_asked_twice(limits: SharedLimits) -> None:
    assert [await fits(limits, 60), await fits(limits, 60), await fits(limits, 40)] == [True, False, True]


async def test_without_the_store_this_workers_share_holds(limits: SharedLimits, remote: Remote) -> None:
    remote.away = True
    assert [await fits(limits, 30), await fits(limits, 30), await fits(limits, 20)] == [True, False, True]


async def test_what_was_reserved_here_is_settled_here_also_when_the_store_is_back(
    limits: SharedLimits, remote: Remote
) -> None:
    await limits.admit("k", 40)
    remote.away = True
    await limits.admit("k", 40)
    remote.away = False
    await limits.settle("k", 40, 0)  # the one of this process: the shared one still counts
    assert [await fits(limits, 61), await fits(limits, 60)] == [False, True]
    remote.away = True
    assert await fits(limits, 50)


async def test_a_settlement_that_the_store_cannot_take_frees_nothing_and_fails_nothing(
    limits: SharedLimits, remote: Remote
) -> None:
    await limits.admit("k", 80)
    remote.away = True
    await limits.settle("k", 80, 0)
    remote.away = False
    assert [await fits(limits, 21), await fits(limits, 20)] == [False, True]
