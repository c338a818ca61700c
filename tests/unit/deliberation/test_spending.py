"""The caps hold to the micro-dollar, whoever asks at once, and nobody is asked where none can tell."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.deliberation.spending import EVERYBODY, Spending
from router_core.adapters.memory.ledger import MemoryLedger
from router_core.errors import StoreError
from router_core.policy.deliberation import DeliberationLimits
from tests.fakes import FakeClock
from tests.unit.agents.house import ask
from tests.unit.deliberation.thinking import HANGS, FakeThinker, deliberator, policy, weighing

DAY = "2023-11-14"
START = 1000.0


class GoneLedger(MemoryLedger):
    """A ledger that nobody can reach."""

    async def reserve(self, account: str, period: str, amount: int, limit: int) -> bool:
        raise StoreError("the ledger is away")


@settings(max_examples=60, deadline=None)
@given(
    wishes=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 400), st.integers(0, 400)), max_size=60),
    everybody=st.integers(0, 2000),
    each=st.integers(0, 900),
)
def test_neither_cap_is_passed(wishes: list[tuple[str, int, int]], everybody: int, each: int) -> None:
    limits = DeliberationLimits(usd_per_day=everybody / 1e6, tenant_usd_per_day=each / 1e6)

    async def run() -> None:
        ledger = MemoryLedger()
        spending = Spending(ledger, FakeClock())

        async def one(tenant: str, worst: int, used: int) -> int:
            aside = await spending.reserve(tenant, worst / 1e6, limits)
            await asyncio.sleep(0)
            if aside is None:
                return 0
            await spending.settle(aside, min(used, worst) / 1e6)
            return min(used, worst)

        spent = await asyncio.gather(*(one(*wish) for wish in wishes))
        assert await ledger.spent(EVERYBODY, DAY) == sum(spent) <= everybody
        for tenant in "abc":
            own = sum(used for used, wish in zip(spent, wishes, strict=True) if wish[0] == tenant)
            assert await ledger.spent(f"{EVERYBODY}:{tenant}", DAY) == own <= each

    asyncio.run(run())


async def test_no_ledger_no_question() -> None:
    thinker, fast = FakeThinker(), weighing()
    thinks = deliberator(thinker, GoneLedger())
    assert await thinks.weigh(fast, START) == fast
    assert thinker.asked == []
    assert thinks.numbers().outcomes == {("router", "over_cap"): 1}
    await thinks.close()


async def test_a_worker_without_a_shared_ledger_has_its_share() -> None:
    limits = DeliberationLimits(usd_per_day=0.001, tenant_usd_per_day=0.001)
    alone = Spending(MemoryLedger(), FakeClock(), share=0.25)
    assert await alone.reserve("a", 0.000250, limits) is not None
    assert await alone.reserve("a", 0.000001, limits) is None


async def test_a_hundred_questions_at_once_stay_within_the_cap() -> None:
    cap = 0.05
    rules = replace(policy(usd_per_day=cap, tenant_usd_per_day=cap))
    ledger, thinker = MemoryLedger(), FakeThinker()
    thinks = deliberator(thinker, ledger)
    wanted = [
        weighing(ask("hello", request_id=f"r{n}", caller=replace(ask().caller, tenant=f"t{n}")), rules)
        for n in range(100)
    ]
    await asyncio.gather(*(thinks.weigh(one, START) for one in wanted))
    assert 0 < await ledger.spent(EVERYBODY, DAY) <= cap * 1e6
    assert 0 < len(thinker.asked) < 100
    await thinks.close()


@pytest.mark.parametrize("said", [HANGS, StoreError("cut off")])
async def test_what_may_have_been_paid_stays_spent(said: object) -> None:
    ledger, fast = MemoryLedger(), weighing()
    thinks = deliberator(FakeThinker({"router": said}), ledger)
    await thinks.weigh(fast, START)
    await thinks.close()
    assert await ledger.spent(EVERYBODY, DAY) > 0
