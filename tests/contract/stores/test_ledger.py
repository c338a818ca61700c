"""What every ledger does: money is counted exactly, however many count at once, and a limit is not passed on purpose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from router_core.ports import Ledger
from tests.contract.stores.kinds import LEDGERS, MakeLedgers

DAY = "2026-11-21"


@pytest.fixture(params=LEDGERS, ids=lambda subject: subject.__name__)
async def make(request: pytest.FixtureRequest) -> AsyncIterator[MakeLedgers]:
    async with request.param(request) as maker:
        yield maker


async def test_the_whole_limit_can_be_reserved_and_not_one_more(make: MakeLedgers) -> None:
    ledger = make()
    assert await ledger.spent("acme", DAY) == 0
    assert await ledger.reserve("acme", DAY, 60, 100)
    assert not await ledger.reserve("acme", DAY, 41, 100)
    assert await ledger.reserve("acme", DAY, 40, 100)
    assert not await ledger.reserve("acme", DAY, 1, 100)
    assert await ledger.spent("acme", DAY) == 100


async def test_nothing_fits_under_no_budget_but_what_costs_nothing(make: MakeLedgers) -> None:
    ledger = make()
    assert not await ledger.reserve("acme", DAY, 1, 0)
    assert await ledger.reserve("acme", DAY, 0, 0)


async def test_settling_replaces_the_reservation_and_may_pass_the_limit(make: MakeLedgers) -> None:
    ledger = make()
    await ledger.reserve("acme", DAY, 80, 100)
    await ledger.settle("acme", DAY, 80, 30)
    assert await ledger.spent("acme", DAY) == 30
    assert await ledger.reserve("acme", DAY, 70, 100)
    await ledger.settle("acme", DAY, 70, 95)
    assert await ledger.spent("acme", DAY) == 125
    assert not await ledger.reserve("acme", DAY, 1, 100)


async def test_accounts_and_periods_do_not_share(make: MakeLedgers) -> None:
    ledger = make()
    await ledger.reserve("acme", DAY, 10, 10)
    assert await ledger.reserve("acme", "2026-11-22", 10, 10)
    assert await ledger.reserve("other", DAY, 10, 10)
    assert [await ledger.spent(who, DAY) for who in ("acme", "other", "nobody")] == [10, 10, 0]


async def test_settling_without_a_reservation_never_makes_a_debt_of_ours(make: MakeLedgers) -> None:
    ledger = make()
    await ledger.settle("acme", DAY, 50, 0)
    assert await ledger.spent("acme", DAY) == 0
    assert not await ledger.reserve("acme", DAY, 101, 100)


async def test_large_sums_are_exact(make: MakeLedgers) -> None:
    ledger = make()
    large = 2**52 + 1
    assert await ledger.reserve("acme", DAY, large, large)
    assert not await ledger.reserve("acme", DAY, 1, large)
    await ledger.settle("acme", DAY, large, large - 1)
    assert await ledger.spent("acme", DAY) == large - 1
    assert await ledger.reserve("acme", DAY, 1, large)


async def test_it_is_exact_whoever_counts_at_once(make: MakeLedgers) -> None:
    """Several counters, random amounts, half of them settled for less: the limit holds and the sum is right."""
    ledgers = [make() for _ in range(4)]
    chance = random.Random(5)
    limit = 1_200

    async def spend(ledger: Ledger, amount: int, less: bool) -> int:
        if not await ledger.reserve("acme", DAY, amount, limit):
            return 0
        if less:
            await ledger.settle("acme", DAY, amount, amount // 2)
        return amount // 2 if less else amount

    jobs = [(ledgers[n % 4], chance.randint(1, 50), chance.random() < 0.5) for n in range(300)]
    used = sum(await asyncio.gather(*(spend(*job) for job in jobs)))
    assert used == await ledgers[0].spent("acme", DAY) <= limit
    ones = [ledger.reserve("acme", DAY, 1, limit) for ledger in ledgers for _ in range(limit // 4)]
    assert sum(await asyncio.gather(*ones)) == limit - used
