"""The limiter in Redis and the one in memory are one limiter: the same verdict and the same wait, whatever happens."""

from __future__ import annotations

import random
from typing import Any

import pytest

from router_core.adapters.memory.rate_limit import MemoryRateLimiter
from router_core.adapters.redis.rate_limit import RedisRateLimiter
from router_core.errors import RateLimitedError
from router_core.ports import RateLimiter
from router_core.reliability.key_limits import KeyLimits
from tests.contract.redis.linked import FIRST_S, PATIENT_S, linked
from tests.contract.redis.servers import Server
from tests.contract.stores.kinds import SetClock

STEPS_S = (*[0.0] * 9, *[0.01] * 9, *[0.5] * 9, *[1.25] * 9, 9.0, 61.0, 400.0, -0.75, -30.0)


async def verdict(limiter: RateLimiter, key: str, tokens: int) -> tuple[str, float]:
    try:
        await limiter.admit(key, tokens)
    except RateLimitedError as error:
        return str(error), error.retry_after_s
    return "admitted", 0.0


@pytest.mark.parametrize("seed", range(6))
async def test_verdict_and_wait_are_the_same(redis_server: Server, seed: int) -> None:
    """Admissions, settlements for less and for more, pauses, and a clock that sometimes goes back."""
    chance = random.Random(seed)
    limits = {
        "both": KeyLimits(requests_per_min=9, tokens_per_min=300),
        "tokens": KeyLimits(tokens_per_min=200),
        "requests": KeyLimits(requests_per_min=4),
    }
    clock = SetClock(time_s=FIRST_S)
    seen: dict[str, int] = {}
    async with linked(redis_server, timeout_s=PATIENT_S, set_clock=True) as redis:
        here, there = MemoryRateLimiter(limits, clock), RedisRateLimiter(limits, redis.link)
        waiting: list[tuple[str, int]] = []
        for _ in range(700):
            key, tokens = (
                chance.choice(("both", "tokens", "requests")),
                chance.choice((*[chance.randint(0, 90)] * 9, 400)),
            )
            said, wait_s = await verdict(here, key, tokens)
            said_there, wait_there_s = await verdict(there, key, tokens)
            assert (said_there, round(wait_there_s - wait_s, 4)) == (said, 0.0)
            seen[said.split(",")[0]] = seen.get(said.split(",")[0], 0) + 1
            if said == "admitted":
                waiting.append((key, tokens))
            if waiting and chance.random() < 0.5:
                which, estimated = waiting.pop(chance.randrange(len(waiting)))
                used = chance.choice((0, estimated, estimated // 2, estimated + 7))
                await here.settle(which, estimated, used)
                await there.settle(which, estimated, used)
            await _pass(chance.choice(STEPS_S), clock, redis)
    assert min(seen.values()) > 3 and len(seen) == 5


async def _pass(step_s: float, clock: SetClock, redis: Any) -> None:
    await clock.advance(step_s)
    await redis.advance(step_s)
