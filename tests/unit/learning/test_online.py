"""Judgements move a target's expected quality for the requests they speak of, and liars do not."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from agents.monitor import MonitorAgent
from agents.others import SharedResiduals
from benchmarks.simulator.learning import Stream, play, table_with
from benchmarks.simulator.world import EDGE, SPECS, STATE, contexts, policy, table_of
from router_core.adapters.memory.state import MemoryStateStore
from router_core.events import Judgement
from router_core.learning.judge_correction import ENOUGH, Audit, Rates, corrected
from router_core.learning.online import (
    SIZE,
    coefficients,
    describe,
    fold,
    from_value,
    merge,
    nothing,
    to_value,
)
from router_core.learning.online_learner import Judged, OnlineLearner, learn
from router_core.learning.quarantine import Quarantine
from router_core.resources import ResourceState
from router_core.routing.choice import chances, pick
from router_core.routing.constraints import permitted
from router_core.routing.decide import decide
from router_core.routing.objective import weigh
from tests.fakes import FakeClock, FakeEvents
from tests.unit.routing.strategies import contexts as any_contexts


def judged(number: int, score: float, *, tenant: str = "acme", source: str = "judge") -> Judged:
    return Judged(request_id=f"r{number}", tenant=tenant, target=EDGE, source=source, score=score)


def test_it_learns_for_which_requests_a_target_is_worse() -> None:
    chance, state = random.Random(1), nothing()
    for context in (next(asked) for asked in [contexts(1)] for _ in range(1_500)):
        state = fold(state, describe(context), -0.3 * (context.task == "extract") + chance.gauss(0, 0.3))
    fit = coefficients(state)
    assert fit[6] < -0.07, "extract is the seventh feature"
    assert max(abs(one) for i, one in enumerate(fit) if i not in (0, 6)) < 0.05


def test_a_store_keeps_it_to_the_bit_and_in_a_small_item() -> None:
    state, asked = nothing(), contexts(2)
    for i in range(300):
        state = fold(state, describe(next(asked)), 0.1 * (i % 7) - 0.3)
    value = to_value(state)
    assert from_value(value).same(state)
    assert len(value) < 2_000
    for bad in (b"", b"[]", b'{"square": [1], "line": [], "judged": 1}'):
        with pytest.raises(ValueError):
            from_value(bad)


def test_two_processes_together_know_what_one_would() -> None:
    asked = contexts(3)
    judgements = [(describe(next(asked)), 0.2) for _ in range(200)]
    alone, first, second = nothing(), nothing(), nothing()
    for number, (features, left_over) in enumerate(judgements):
        alone = fold(alone, features, left_over)
        first, second = (
            (fold(first, features, left_over), second)
            if number < 100
            else (first, fold(second, features, left_over))
        )
    assert coefficients(merge(first, second)) == pytest.approx(coefficients(alone), abs=0.002)


async def test_gateways_exchange_what_they_learned() -> None:
    store, clocks = MemoryStateStore(FakeClock()), [FakeClock(), FakeClock()]
    learners = [OnlineLearner(SPECS), OnlineLearner(SPECS)]
    shared = [SharedResiduals(one, SPECS, store, clock) for one, clock in zip(learners, clocks, strict=True)]
    for number in range(200):
        learners[0].judged(judged(number, 0.0))
    for one in (*shared, *shared):
        await one.exchange()
    assert learners[1].fit(EDGE)[0] == learners[0].fit(EDGE)[0] < -0.2


def test_the_log_makes_the_same_checkpoint_to_the_bit() -> None:
    events, asked, chance = FakeEvents(), contexts(4), random.Random(4)
    monitor = MonitorAgent(SPECS, events, FakeClock())
    table = table_of(policy("stable", explore=0.1))
    for _ in range(300):
        context = replace(next(asked), tenant=f"t{chance.randrange(6)}")
        decision = decide(context, table)
        monitor.decided(context, decision, table, (), 0.0)
        monitor.judged(
            context.tenant,
            context.request_id,
            decision.target,
            Judgement(source="judge", score=chance.random()),
        )
    again = learn(SPECS, events.records)
    assert again.known.keys() == monitor.learner.known.keys()
    assert all(again.known[name].same(state) for name, state in monitor.learner.known.items())


def test_a_snapshot_with_fits_replays_to_the_bit_and_older_ones_keep_their_names() -> None:
    learner, asked = OnlineLearner(SPECS), contexts(5)
    for _ in range(150):
        context = next(asked)
        learner.decided(context)
        learner.judged(replace(judged(0, float(context.complexity < 0.4)), request_id=context.request_id))
    table = table_with(learner, policy("stable"))
    back = ResourceState.from_record(table.state.as_record())
    assert back == table.state
    assert any(target.state.quality_fit for target in back.targets)
    assert "quality_fit" not in STATE.as_record()["targets"][0]["state"]
    context = replace(next(asked), complexity=0.9)
    fitted, plain = weigh(context, table, ()), weigh(context, table_of(policy("stable")), ())
    assert fitted.quality[table.index[EDGE]] < plain.quality[table.index[EDGE]] - 0.1


def test_a_judge_that_errs_is_corrected_and_a_useless_one_ignored() -> None:
    chance, audit = random.Random(6), Audit()
    for number in range(2_000):
        truth = chance.random() < 0.6
        wrong = chance.random() < 0.2
        audit.note(f"r{number}", "judge", float(truth != wrong))
        audit.note(f"r{number}", "check", float(truth))
    seen = [float((chance.random() < 0.9) != (chance.random() < 0.2)) for _ in range(20_000)]
    told = [audit.corrected("judge", score) for score in seen]
    assert sum(seen) / len(seen) == pytest.approx(0.74, abs=0.02)
    assert sum(one for one in told if one is not None) / len(told) == pytest.approx(0.9, abs=0.03)
    coin = Rates(good=ENOUGH, bad=ENOUGH, good_scores=ENOUGH / 2, bad_scores=ENOUGH / 2)
    assert corrected(1.0, coin) is None
    assert corrected(0.7, Rates()) == 0.7


def test_liars_are_held_and_let_go_but_a_drift_holds_nobody() -> None:
    chance, quarantine = random.Random(7), Quarantine()
    for _ in range(40):
        for judge in range(10):
            good = float(chance.random() < 0.85)
            quarantine.note(EDGE, f"judge:{judge}", 1.0 - good if judge < 3 else good, 0.85)
    assert quarantine.held() == ("judge:0", "judge:1", "judge:2")
    drift = Quarantine()
    for number in range(60):
        for judge in range(10):
            good = float(chance.random() < (0.85 if number < 30 else 0.3))
            drift.note(EDGE, f"judge:{judge}", good, 0.85)
    assert drift.held() == ()


def test_what_a_liar_said_is_taken_back() -> None:
    learner, chance = OnlineLearner(SPECS), random.Random(8)
    for number in range(600):
        tenant = f"t{number % 10}"
        good = float(chance.random() < 0.85)
        learner.judged(judged(number, 0.0 if number % 10 < 3 else good, tenant=tenant))
    assert learner.quarantine.held() == ("judge:t0", "judge:t1", "judge:t2")
    assert abs(learner.fit(EDGE)[0]) < 0.06


@pytest.mark.parametrize("score", [float("nan"), -1.0, 2.0, float("inf")])
def test_a_score_that_is_none_is_not_learned(score: float) -> None:
    learner = OnlineLearner(SPECS)
    assert not learner.judged(judged(1, score))
    assert learner.fit(EDGE) == (0.0,) * SIZE


def test_drift_costs_less_than_a_third_of_what_it_costs_without_learning(at_size: Any) -> None:
    found = [play(Stream(seed=seed, requests=2_300, drift_at=800)) for seed in range(at_size(2, 40))]
    frozen = sum(one.told - one.frozen for one in found)
    learning = sum(one.told - one.learning for one in found)
    assert frozen > 0.05 * len(found)
    assert learning <= frozen / 3


@given(any_contexts)
def test_exploration_is_never_for_who_must_not_be_experimented_with(context: Any) -> None:
    table = table_of(policy("curious", explore=0.5))
    weighed = weigh(context, table, ())
    allowed, _ = permitted(context, table, weighed)
    if not allowed:
        return
    dealt = chances(context, table, weighed.scores, allowed)
    assert sum(dealt.values()) == pytest.approx(1.0)
    assert set(dealt) <= set(allowed)
    guarded = context.privacy >= 3 or context.request_class == "critical"
    if guarded or context.max_cost_usd is not None or context.max_latency_ms is not None:
        assert list(dealt.values()) == [1.0]
    chosen = pick(context, table, weighed.scores, allowed)
    assert dealt[chosen.index] == chosen.propensity


def test_choices_come_as_often_as_their_logged_chance() -> None:
    table, asked = table_of(policy("curious", explore=0.3)), contexts(9)
    context, count = next(asked), 6_000
    weighed = weigh(context, table, ())
    allowed, _ = permitted(context, table, weighed)
    picked = Counter(
        pick(replace(context, request_id=f"x{i}"), table, weighed.scores, allowed).index for i in range(count)
    )
    for index, chance in chances(context, table, weighed.scores, allowed).items():
        assert picked[index] / count == pytest.approx(chance, abs=0.02)
