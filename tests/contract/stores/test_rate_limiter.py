"""What every rate limiter does: never more than the limit in any 60 s, and a retry-after that can be relied on."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from router_core.errors import RateLimitedError
from router_core.ports import RateLimiter
from router_core.reliability.key_limits import KeyLimits
from tests.contract.stores.kinds import RATE_LIMITERS, MakeLimiter


@pytest.fixture(params=RATE_LIMITERS, ids=lambda subject: subject.__name__)
async def make(request: pytest.FixtureRequest) -> AsyncIterator[MakeLimiter]:
    async with request.param(request) as maker:
        yield maker


async def refusal(limiter: RateLimiter, tokens: int = 1, key: str = "k") -> float | None:
    """None when admitted, else the seconds to wait."""
    try:
        await limiter.admit(key, tokens)
    except RateLimitedError as error:
        return error.retry_after_s
    return None


async def test_the_whole_limit_is_there_at_once_and_not_one_more(make: MakeLimiter) -> None:
    limiter, _ = make({"k": KeyLimits(requests_per_min=5)})
    assert [await refusal(limiter) for _ in range(5)] == [None] * 5
    assert await refusal(limiter) is not None


async def test_waiting_as_long_as_was_said_admits(make: MakeLimiter) -> None:
    limiter, pass_time = make({"k": KeyLimits(requests_per_min=3, tokens_per_min=100)})
    chance = random.Random(4)
    refused = 0
    for _ in range(300):
        tokens = chance.randint(0, 100)
        wait = await refusal(limiter, tokens)
        if wait is not None:
            refused += 1
            assert 0.0 < wait <= 61.1
            await pass_time(wait)
            assert await refusal(limiter, tokens) is None
        await pass_time(chance.choice((0.0, 0.3, 7.0, 21.0)))
    assert refused > 100


async def test_no_window_of_sixty_seconds_ever_holds_more_than_the_limit(make: MakeLimiter) -> None:
    """Bursts, pauses and steady pressure; windows begin at every admission, where a maximum must begin."""
    limiter, pass_time = make({"k": KeyLimits(requests_per_min=20, tokens_per_min=500)})
    chance = random.Random(8)
    admitted: list[tuple[float, int]] = []
    now = 0.0
    for _ in range(3_000):
        tokens = chance.randint(0, 60)
        if await refusal(limiter, tokens) is None:
            admitted.append((now, tokens))
        step = chance.choice((0.0, 0.0, 0.01, 0.99, 1.7, 29.3)) if chance.random() < 0.5 else 0.2
        now += step
        await pass_time(step)
    for begin, _ in admitted:
        inside = [tokens for at, tokens in admitted if begin <= at < begin + 60.0]
        assert len(inside) <= 20
        assert sum(inside) <= 500
    assert len(admitted) > now / 60 * 10


async def test_a_key_under_steady_pressure_gets_nearly_its_whole_limit(make: MakeLimiter) -> None:
    limiter, pass_time = make({"k": KeyLimits(requests_per_min=60)})
    admitted = 0
    for _ in range(10 * 60 * 4):
        admitted += await refusal(limiter) is None
        await pass_time(0.25)
    assert 580 <= admitted <= 600


async def test_a_refused_request_costs_nothing(make: MakeLimiter) -> None:
    limiter, pass_time = make({"k": KeyLimits(requests_per_min=10, tokens_per_min=100)})
    assert await refusal(limiter, 90) is None
    for _ in range(50):
        assert await refusal(limiter, 50) is not None
    assert await refusal(limiter, 10) is None
    await pass_time(61.1)
    assert await refusal(limiter, 100) is None


async def test_what_was_not_used_is_free_at_once(make: MakeLimiter) -> None:
    limiter, _ = make({"k": KeyLimits(tokens_per_min=100)})
    await limiter.admit("k", 100)
    await limiter.settle("k", 100, 30)
    assert await refusal(limiter, 70) is None
    assert await refusal(limiter, 1) is not None


async def test_what_was_used_above_the_estimate_counts(make: MakeLimiter) -> None:
    limiter, pass_time = make({"k": KeyLimits(tokens_per_min=100)})
    await limiter.admit("k", 10)
    await limiter.settle("k", 10, 150)
    wait = await refusal(limiter, 1)
    assert wait is not None
    await pass_time(wait)
    assert await refusal(limiter, 1) is None


async def test_giving_back_after_the_window_frees_nothing_of_others(make: MakeLimiter) -> None:
    """A request that ran longer than a minute: its reservation has left the window already."""
    limiter, pass_time = make({"k": KeyLimits(tokens_per_min=100)})
    await limiter.admit("k", 80)
    await pass_time(70.0)
    await limiter.admit("k", 95)
    await limiter.settle("k", 80, 0)
    assert await refusal(limiter, 6) is not None
    assert await refusal(limiter, 5) is None


async def test_settling_twice_or_without_admission_frees_nothing(make: MakeLimiter) -> None:
    limiter, _ = make({"k": KeyLimits(tokens_per_min=100)})
    await limiter.admit("k", 60)
    await limiter.admit("k", 40)
    for _ in range(3):
        await limiter.settle("k", 60, 0)
    await limiter.settle("k", 1_000, 0)
    await limiter.settle("nobody", 5, 0)
    assert await refusal(limiter, 61) is not None
    assert await refusal(limiter, 60) is None


async def test_keys_do_not_share(make: MakeLimiter) -> None:
    limiter, _ = make({"a": KeyLimits(requests_per_min=1), "b": KeyLimits(requests_per_min=1)})
    assert await refusal(limiter, key="a") is None
    assert await refusal(limiter, key="b") is None
    assert await refusal(limiter, key="a") is not None


async def test_only_a_key_that_was_set_free_is_free(make: MakeLimiter) -> None:
    limiter, _ = make({"free": None, "half": KeyLimits(tokens_per_min=10)})
    assert [await refusal(limiter, 10**9, "free") for _ in range(100)] == [None] * 100
    await limiter.settle("free", 10**9, 0)
    assert [await refusal(limiter, 0, "half") for _ in range(100)] == [None] * 100
    assert await refusal(limiter, key="unknown") is not None


async def test_a_request_that_is_larger_than_a_minute_is_refused_without_harm(make: MakeLimiter) -> None:
    limiter, _ = make({"k": KeyLimits(requests_per_min=10, tokens_per_min=100)})
    with pytest.raises(RateLimitedError, match="needs about 101"):
        await limiter.admit("k", 101)
    assert await refusal(limiter, 100) is None


async def test_the_error_names_the_limit_and_not_the_key(make: MakeLimiter) -> None:
    limiter, _ = make({"secret-key": KeyLimits(requests_per_min=0)})
    with pytest.raises(RateLimitedError, match="0 requests per minute") as caught:
        await limiter.admit("secret-key", 1)
    assert "secret" not in str(caught.value)
