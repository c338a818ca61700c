"""What deliberation may cost holds over every ledger: several workers ask at once, none of them knows of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agents.deliberation.deliberator import Deliberator, Home
from agents.deliberation.spending import EVERYBODY
from tests.contract.stores.kinds import LEDGERS, MakeLedgers
from tests.fakes import FakeClock
from tests.unit.agents.house import ask
from tests.unit.deliberation.thinking import SPECS, FakeThinker, policy, weighing

DAY = "2023-11-14"
WORKERS = 4
CAP_USD, TENANT_USD = 0.06, 0.02


@pytest.fixture(params=LEDGERS, ids=lambda subject: subject.__name__)
async def make(request: pytest.FixtureRequest) -> AsyncIterator[MakeLedgers]:
    async with request.param(request) as maker:
        yield maker


async def test_neither_cap_is_passed_by_workers_that_ask_at_once(make: MakeLedgers) -> None:
    ledgers, thinkers = [make() for _ in range(WORKERS)], [FakeThinker() for _ in range(WORKERS)]
    home = Home(groups=("us", "eu"), specs={spec.name: spec for spec in SPECS})
    workers = [
        Deliberator(thinker, ledger, FakeClock(), home)
        for thinker, ledger in zip(thinkers, ledgers, strict=True)
    ]
    always = {"router": {"simple": "always", "budget_ms": 5000.0}}
    rules = policy(always, usd_per_day=CAP_USD, tenant_usd_per_day=TENANT_USD, reuse_s=0.0)
    given = [
        weighing(ask("hi", request_id=f"r{n}", caller=replace(ask().caller, tenant=f"t{n % 5}")), rules)
        for n in range(80)
    ]
    for start in range(0, len(given), 16):
        some = given[start : start + 16]
        await asyncio.gather(
            *(workers[(start + n) % WORKERS].weigh(one, 1000.0) for n, one in enumerate(some))
        )
    asked = sum(len(thinker.asked) for thinker in thinkers)
    used = asked * round(0.8 * 1000 + 3.2 * 20)
    assert await ledgers[0].spent(EVERYBODY, DAY) == used <= CAP_USD * 1e6
    tenants = [await ledgers[0].spent(f"{EVERYBODY}:t{n}", DAY) for n in range(5)]
    assert sum(tenants) == used and max(tenants) <= TENANT_USD * 1e6
    assert 0 < asked < len(given)
    assert sum(worker.numbers().outcomes.get(("router", "over_cap"), 0) for worker in workers) > 0
    for worker in workers:
        await worker.close()
