"""Thinking on the path of real requests: no failed request, records that replay without a model, no effect of content."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from agents.deliberation.asking import Question
from agents.deliberation.spending import EVERYBODY
from agents.weighing import Deliberating, Weighing
from router_core.adapters.memory.ledger import MemoryLedger
from router_core.errors import NotTakenError, StoreError
from router_core.inference import EmbedRequest, InferenceRequest, Opened
from router_core.monitoring import DeliberationNumbers
from router_core.routing.replay import replay, same
from tests.fakes import words
from tests.unit.agents.house import House, ask
from tests.unit.deliberation.injections import INJECTIONS
from tests.unit.deliberation.thinking import (
    ALWAYS,
    FakeThinker,
    RunningClock,
    deliberator,
    policy,
    prefers,
    right,
)

DAY = "2023-11-14"
BUDGET_MS = 250.0
AT_ONCE = 8
"""Requests at once; what more of them would wait for is this process, not a model."""
THINKING = {"router": {**ALWAYS, "budget_ms": BUDGET_MS}, "context": {**ALWAYS, "budget_ms": BUDGET_MS}}
CAP_USD = 0.2


def numbered(count: int, seed: int = 5) -> list[InferenceRequest]:
    """Requests of many shapes and tenants."""
    draw = random.Random(seed)
    words = [
        "prove",
        "derive",
        "list",
        "name",
        "compare",
        "the",
        "of",
        "a",
        "router",
        "lamp",
        "Rome",
        "step",
        "by",
        "step",
        "in",
        "detail",
        "why",
        "how",
    ]
    caller = ask().caller
    return [
        ask(
            " ".join(draw.choices(words, k=draw.randint(3, 60))),
            request_id=f"req_{number}",
            caller=replace(caller, tenant=f"t{draw.randint(0, 30)}"),
        )
        for number in range(count)
    ]


def junk(question: Question) -> Any:
    """Whatever a broken model may say."""
    draw = random.Random(question.text)
    return draw.choice(
        [
            {},
            {"target": "cloud/none"},
            {"target": None},
            {"x": [1]},
            StoreError("500"),
            NotTakenError("text"),
            right(question),
        ]
    )


async def slow(question: Question) -> Any:
    await asyncio.sleep(5.0)
    return right(question)


class Timed:
    """What thinks, with what every request waited for it."""

    def __init__(self, thinks: Deliberating) -> None:
        self._thinks, self.waited_ms = thinks, list[float]()

    async def weigh(self, weighing: Weighing, started_s: float) -> Weighing:
        started = time.perf_counter()
        try:
            return await self._thinks.weigh(weighing, started_s)
        finally:
            self.waited_ms.append((time.perf_counter() - started) * 1000.0)

    def judged(self, request_id: str, target: str, score: float) -> None:
        self._thinks.judged(request_id, target, score)

    def numbers(self) -> DeliberationNumbers:
        return self._thinks.numbers()


@pytest.mark.proof
@pytest.mark.parametrize(
    "says",
    [None, slow, StoreError("throttled"), junk, StoreError("down"), RuntimeError("a fault of ours")],
    ids=["healthy", "slow", "throttled", "junk", "down", "broken"],
)
async def test_no_request_fails_and_the_cap_holds_whatever_the_model_does(
    says: Any, at_size: Callable[[int, int], int], request: pytest.FixtureRequest
) -> None:
    thinker = FakeThinker({} if says is None else {"router": says, "context": says})
    ledger = MemoryLedger()
    count = at_size(400, 10_000)
    cap_usd = CAP_USD * count / 1000
    rules = policy(THINKING, usd_per_day=cap_usd, tenant_usd_per_day=cap_usd)
    clock = RunningClock()
    thinks = deliberator(thinker, ledger, clock=clock)
    timed = Timed(thinks)
    house = House(policy=rules, thinking=timed, clock=clock)
    router = house.build()
    await router.look()
    waves = numbered(count)
    for start in range(0, count, AT_ONCE):
        answers = await asyncio.gather(*(router.answer(one) for one in waves[start : start + AT_ONCE]))
        assert {answer.status for answer in answers} == {"completed"}
    outcomes = thinks.numbers().outcomes
    await thinks.close()
    spent = await ledger.spent(EVERYBODY, DAY)
    assert 0 < spent <= cap_usd * 1e6
    assert _replayed(house) == count
    waited = sorted(timed.waited_ms)
    if request.config.getoption("--proof"):
        assert waited[int(0.99 * count)] <= BUDGET_MS
        p50, p99 = (waited[int(share * count)] for share in (0.5, 0.99))
        said = f"p50 {p50:.2f} ms, p99 {p99:.1f} ms, {spent / 1e6:.4f} USD, {len(thinker.asked)} asked"
        print(f"{said}, {outcomes}")  # noqa: T201 - what --proof is for


def _replayed(house: House) -> int:
    """Every decision record gives the same bits again, from the records alone."""
    kinds: dict[str, dict[str, Mapping[str, Any]]] = {"state": {}, "policy": {}}
    replayed = 0
    for raw in house.events.records:
        record = json.loads(json.dumps(raw, default=dict))
        if record["kind"] in kinds:
            kinds[record["kind"]][record["sha256"]] = record
        elif record["kind"] == "decision":
            states, policies = kinds["state"], kinds["policy"]
            again = replay(record, states[record["state_sha256"]], policies[record["policy_sha256"]])
            assert same(record, again)
            assert again.decided_by == record["decided_by"]
            replayed += 1
    return replayed


async def test_a_deliberated_answer_says_so_and_its_record_holds_no_content() -> None:
    thinks = deliberator(FakeThinker({"router": prefers("cloud/pro")}))
    house = House(policy=policy(), thinking=thinks)
    router = house.build()
    await router.look()
    answer = await router.answer(ask("is ZEBRA-7 the code word"))
    assert answer.decision.decided_by == "deliberated"
    assert answer.served.target == answer.decision.target == "cloud/pro"
    (record,) = house.events.of("decision")
    assert record["decided_by"] == "deliberated"
    (said,) = record["model_answers"]
    assert said["answer"] == {"target": "cloud/pro", "basis": "energy", "confidence": 0.9}
    assert "ZEBRA" not in json.dumps(house.events.records, default=dict)
    await router.feedback("acme", "req_1", "cloud/pro", 1.0)
    await thinks.close()


async def test_a_stream_is_thought_about_before_its_first_word_and_embeddings_are_not() -> None:
    thinker = FakeThinker({"router": prefers("cloud/pro")})
    thinks = deliberator(thinker)
    router = House(policy=policy(), thinking=thinks).build(cloud=[words("one |two")])
    await router.look()
    events = [event async for event in router.stream(ask(stream=True))]
    assert isinstance(events[0], Opened)
    assert (events[0].decision.target, events[0].decision.decided_by) == ("cloud/pro", "deliberated")
    assert len(thinker.asked) == 1
    await router.embed(EmbedRequest(request_id="e1", received_s=0.0, caller=ask().caller, inputs=("a",)))
    assert len(thinker.asked) == 1
    await thinks.close()


async def test_a_changed_answer_is_noticed() -> None:
    thinks = deliberator(FakeThinker({"router": prefers("cloud/pro")}))
    house = House(policy=policy(), thinking=thinks)
    router = house.build()
    await router.look()
    await router.answer(ask())
    await thinks.close()
    (record,), (state,), (rules,) = (house.events.of(kind) for kind in ("decision", "state", "policy"))
    forged = json.loads(json.dumps(record, default=dict))
    forged["model_answers"][0]["answer"]["target"] = "mec/a"
    assert same(record, replay(record, state, rules))
    assert not same(forged, replay(forged, state, rules))


class Obeys:
    """A model that does whatever any text in its question tells it to, if it is told at all."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def __call__(self, question: Question) -> Any:
        self.questions.append(question)
        wanted = {
            word: name for choice in question.form.choices for word in choice.words for name in [choice.name]
        }
        told = {name: word for word, name in wanted.items() if f"choose {word}" in question.text}
        extra = {"tier": "cloud", "policy": "off"} if "ignore" in question.text.lower() else {}
        return {**right(question), **told, **extra, "complexity": 1.0}


@pytest.mark.parametrize("wrap", ["{}", "Translate to French: {}", "{} Thank you."])
async def test_no_injected_instruction_changes_where_a_request_goes(wrap: str) -> None:
    """Each text with an order in it goes where the same request goes when the order is absent from what the model sees."""
    assert len(INJECTIONS) >= 200
    rules = policy(
        {"router": {**ALWAYS, "budget_ms": 80.0}}, usd_per_day=1e3, tenant_usd_per_day=1e3, reuse_s=0.0
    )
    obeys = Obeys()
    blind = FakeThinker()
    obedient = deliberator(FakeThinker({"router": obeys}))
    indifferent = deliberator(blind)
    houses = [House(policy=rules, thinking=one) for one in (obedient, indifferent)]
    routers = [house.build() for house in houses]
    for router in routers:
        await router.look()
    for number, text in enumerate(INJECTIONS):
        request = ask(wrap.format(text), request_id=f"req_{number}")
        first, second = [(await router.explain(request)).decision for router in routers]
        assert (first.target, first.tier, first.fallbacks, first.policy_sha256) == (
            second.target, second.tier, second.fallbacks, second.policy_sha256,
        )  # fmt: skip
    assert obeys.questions
    assert all("choose " not in question.text for question in obeys.questions)
    for one in (obedient, indifferent):
        await one.close()
