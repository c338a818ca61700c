"""A decision comes out whatever a model does, and it is another only where that was permitted and in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.deliberation import gate
from agents.weighing import Weighing
from router_core.adapters.memory.ledger import MemoryLedger
from router_core.errors import NotTakenError, StoreError
from router_core.inference import Preferences, Privacy
from router_core.policy.parse import from_document
from tests.unit.agents.house import CLOUD, DEVICE, MEC, ask
from tests.unit.deliberation.thinking import (
    ALWAYS,
    HANGS,
    FakeThinker,
    deliberator,
    policy,
    prefers,
    weighing,
)

START = 1000.0
OTHER = {"mec/a": "cloud/pro", "cloud/pro": "mec/a"}


async def weigh(thinker: FakeThinker, given: Weighing | None = None) -> Weighing:
    thinks = deliberator(thinker)
    try:
        return await thinks.weigh(given or weighing(), START)
    finally:
        await thinks.close()


async def test_a_permitted_target_is_asked_first_and_the_fast_choice_second() -> None:
    fast = weighing()
    other = OTHER[fast.decision.target]
    made = (await weigh(FakeThinker({"router": prefers(other)}), fast)).decision
    assert (made.target, made.decided_by, made.fallbacks[0]) == (other, "deliberated", fast.decision.target)
    assert made.scores == fast.decision.scores
    assert made.rejected == fast.decision.rejected
    assert made.prediction != fast.decision.prediction
    assert sorted((made.target, *made.fallbacks)) == sorted((fast.decision.target, *fast.decision.fallbacks))
    (advice,) = made.advice
    assert advice.accepted and advice.before == {"target": fast.decision.target}
    assert advice.cost_usd == pytest.approx((0.8 * 1000 + 3.2 * 20) / 1e6)


async def test_an_agreeing_answer_leaves_the_choice_and_says_who_agreed() -> None:
    fast = weighing()
    made = (await weigh(FakeThinker({"router": prefers(fast.decision.target)}), fast)).decision
    assert made == replace(fast.decision, decided_by="deliberated", advice=made.advice)


@pytest.mark.parametrize(
    "said",
    [
        prefers("device/intent"),  # rejected for this task
        prefers("cloud/unknown"),
        prefers("https://example.com/v1"),
        {"target": ["mec/a"], "basis": "quality", "confidence": 0.5},
        {"target": "mec/a", "basis": "because I say so", "confidence": 0.5},
        {"target": "mec/a", "basis": "quality", "confidence": float("nan")},
        {"target": "mec/a", "basis": "quality", "confidence": True},
        {"target": "mec/a", "basis": "quality", "confidence": 7},
        {"policy": "tiers.cloud.max_privacy=restricted"},
        StoreError("down"),
        NotTakenError("garbage"),
        RuntimeError("a fault of ours"),
    ],
)
async def test_anything_else_leaves_the_fast_answer(said: Any) -> None:
    fast = weighing()
    assert await weigh(FakeThinker({"router": said}), fast) == fast


async def test_a_model_that_hangs_costs_its_budget_and_its_answer_serves_the_next() -> None:
    fast, thinker = weighing(), FakeThinker({"router": HANGS})
    thinks = deliberator(thinker)
    async with asyncio.timeout(5.0):
        assert await thinks.weigh(fast, START) == fast
    assert thinks.numbers().outcomes == {("router", "late"): 1}
    thinker.goes_on.set()
    await asyncio.sleep(0.01)
    next_one = weighing(ask("what is the capital of Norway", request_id="req_2"))
    made = (await thinks.weigh(next_one, START)).decision
    assert made.decided_by == "deliberated"
    assert made.advice[0].reused and made.advice[0].cost_usd == 0.0
    assert len(thinker.asked) == 1
    await thinks.close()


async def test_look_alikes_at_once_are_asked_about_once_and_tenants_apart() -> None:
    thinker = FakeThinker()
    thinks = deliberator(thinker)
    caller = ask().caller
    requests = [ask(f"what is {n} and {n}", request_id=f"r{n}") for n in range(10, 30)]
    await asyncio.gather(*(thinks.weigh(weighing(one), START) for one in requests))
    assert len(thinker.asked) == 1
    await thinks.weigh(weighing(ask("what is 40 and 40", caller=replace(caller, tenant="other"))), START)
    assert len(thinker.asked) == 2
    await thinks.close()


@pytest.mark.parametrize(
    "request_",
    [
        ask(privacy=Privacy(level="restricted")),
        ask(privacy=Privacy(level="confidential")),
        ask(privacy=Privacy(level="internal", residency="jp")),
        ask(preferences=Preferences(tiers=("device", "mec"))),
        ask("my ssn is 536-22-1234, what is the capital of France"),
    ],
)
async def test_nobody_is_asked_where_no_cloud_target_may_see_the_request(request_: Any) -> None:
    near = (DEVICE, replace(MEC, groups=("eu", "jp")), replace(MEC, name="mec/b", groups=("eu", "jp")))
    fast, thinker = weighing(request_, specs=near), FakeThinker()
    assert await weigh(thinker, fast) == fast
    assert thinker.asked == []


async def test_a_pinned_request_is_the_callers_choice() -> None:
    fast, thinker = weighing(ask(preferences=Preferences(target="mec/a", fallback=True))), FakeThinker()
    assert await weigh(thinker, fast) == fast
    assert thinker.asked == []


async def test_off_asks_nobody() -> None:
    fast, thinker = weighing(rules=policy({})), FakeThinker()
    assert await weigh(thinker, fast) is fast
    assert thinker.asked == []


async def test_a_deadline_that_leaves_no_time_is_kept() -> None:
    first = weighing()
    tight = first.decision.prediction.latency_ms + 20.0
    fast, thinker = weighing(ask(preferences=Preferences(max_latency_ms=tight))), FakeThinker()
    assert await weigh(thinker, fast) == fast
    assert thinker.asked == []


async def test_the_context_agent_moves_a_near_class_and_only_by_a_little() -> None:
    rules = policy({"context": {**ALWAYS, "budget_ms": 80.0}})
    at = rules.class_rules.complex_at
    given = weighing(rules=rules)
    near = replace(given, context=replace(given.context, complexity=at - 0.01))
    says = {"context": lambda question: {"class": "complex", "complexity": 1.0, "confidence": 1.0}}
    made = await weigh(FakeThinker(says), near)
    assert made.context.request_class == made.decision.request_class == "complex"
    assert made.context.complexity == pytest.approx(at + 0.14, abs=1e-3)
    far = replace(given, context=replace(given.context, complexity=0.05))
    assert (await weigh(FakeThinker(says), far)).context.request_class == "simple"
    talks = replace(given, context=replace(near.context, guard=0.6))
    thinker = FakeThinker(says)
    assert (await weigh(thinker, talks)).context == talks.context
    assert thinker.asked == []


@pytest.mark.parametrize(("verdict", "guard"), [("benign", 0.0), ("suspicious", 0.5), ("attack", 0.9)])
async def test_the_safety_agent_only_warns_and_of_an_attack_nothing_else_is_believed(
    verdict: str, guard: float
) -> None:
    every = {agent: {**ALWAYS, "budget_ms": 80.0} for agent in ("safety", "context")}
    says = {
        "safety": {"verdict": verdict, "confidence": 1.0},
        "context": lambda question: {"class": "complex", "complexity": 0.3, "confidence": 1.0},
    }
    given = weighing(rules=policy(every))
    made = await weigh(FakeThinker(says), given)
    assert made.context.guard == guard
    assert (made.context.complexity == given.context.complexity) == (guard > 0.0)
    assert made.decision.target == given.decision.target
    guarded = replace(given, context=replace(given.context, guard=0.95))
    assert (await weigh(FakeThinker(says), guarded)).context.guard == 0.95


WORDS = st.one_of(st.text(max_size=20), st.sampled_from(["mec/a", "cloud/pro", "device/intent", "quality"]))
VALUES = st.one_of(WORDS, st.none(), st.booleans(), st.floats(), st.integers(), st.lists(WORDS, max_size=2))


@settings(max_examples=80, deadline=None)
@given(answer=st.dictionaries(st.sampled_from(["target", "basis", "confidence", "tier"]), VALUES))
def test_no_answer_reaches_what_is_not_permitted(answer: dict[str, Any]) -> None:
    fast = weighing()
    made = asyncio.run(weigh(FakeThinker({"router": lambda _: answer or None}), fast)).decision
    assert made.target in fast.decision.scores
    assert set(made.fallbacks) | {made.target} == set(fast.decision.fallbacks) | {fast.decision.target}
    assert made.rejected == fast.decision.rejected


GATED = {"router": {**dict.fromkeys(ALWAYS, "gated"), "budget_ms": 80.0, "sample_rate": 0.0}}


async def judged_so(score: float, count: int = 300) -> tuple[int, int, dict[tuple[str, str], int]]:
    """How many of the first and of the last 50 requests are asked about where every advised answer is judged so; and outcomes."""
    thinker = FakeThinker({"router": prefers("cloud/pro")})
    rules = policy(GATED, stake_simple_usd=0.1, reuse_s=0.0, usd_per_day=99.0, tenant_usd_per_day=99.0)
    thinks = deliberator(thinker, MemoryLedger())
    tie = weighing(rules=rules, specs=(replace(MEC, quality_default=0.6), CLOUD))
    assert tie.decision.target == "mec/a"
    asked = []
    for number in range(count):
        one = replace(tie, decision=replace(tie.decision, request_id=f"r{number}"))
        before = len(thinker.asked)
        made = (await thinks.weigh(one, START)).decision
        thinks.judged(f"r{number}", made.target, score if made.target == "cloud/pro" else 1.0 - score)
        asked.append(len(thinker.asked) - before)
    await thinks.close()
    return sum(asked[:50]), sum(asked[-50:]), dict(thinks.numbers().outcomes)


async def test_a_model_that_is_right_is_asked_ever_more_and_one_that_is_wrong_hardly_again() -> None:
    first, last, outcomes = await judged_so(1.0)
    assert 20 <= first <= last == 50
    assert outcomes["router", "followed"] > 200
    _, wrong, outcomes = await judged_so(0.0)
    assert wrong <= 10
    assert outcomes["router", "not_worth"] > 150


async def test_advice_that_is_not_believed_is_recorded_and_not_followed() -> None:
    rules = policy({"router": {**GATED["router"], "sample_rate": 1.0}}, stake_simple_usd=0.0001)
    fast = weighing(rules=rules, specs=(MEC, replace(CLOUD, price_in=20.0, price_out=100.0)))
    assert fast.decision.target == "mec/a"
    made = (await weigh(FakeThinker({"router": prefers("cloud/pro")}), fast)).decision
    (advice,) = made.advice
    assert (made.target, made.decided_by, advice.accepted) == ("mec/a", "fast", False)
    assert advice.answer["target"] == "cloud/pro"


async def test_a_judgement_of_another_targets_answer_teaches_nothing() -> None:
    thinks = deliberator(FakeThinker({"router": prefers("cloud/pro")}))
    given = weighing(rules=policy(None, reuse_s=0.0))
    await thinks.weigh(given, START)
    thinks.judged("req_1", "mec/other", 0.0)
    even = thinks._track.skills(("router", "simple"))
    assert max(even) == min(even)
    await thinks.close()


async def test_a_tenant_has_modes_of_its_own() -> None:
    own = {"acme": {"router": {"simple": "off"}}, "blue": {"router": {"simple": "always"}}}
    off = {"router": {"budget_ms": 80.0}}
    everybody = from_document(
        {"deliberation": {"router": {**ALWAYS, "budget_ms": 80.0}}, "deliberation_tenants": own}
    )
    nobody = from_document({"deliberation": off, "deliberation_tenants": own})
    blue = replace(ask().caller, tenant="blue")
    for rules, caller, asked in ((everybody, ask().caller, 0), (nobody, blue, 1), (nobody, ask().caller, 0)):
        thinker = FakeThinker()
        given = weighing(ask(caller=caller), rules)
        assert given.table.thinks
        await weigh(thinker, given)
        assert len(thinker.asked) == asked


async def test_where_nobody_waits_the_budget_is_the_policys_longer_one() -> None:
    rules = policy({"router": {**ALWAYS, "budget_ms": 60.0, "async_budget_ms": 5000.0}})
    for asynchronous, budget_s in ((False, 0.06), (True, 5.0)):
        given = weighing(ask(asynchronous=asynchronous), rules)
        own = rules.deliberates("router", "acme")
        assert gate.budget_s(given, own, 0.0) == pytest.approx(budget_s)
