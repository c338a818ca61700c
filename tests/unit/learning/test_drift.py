"""A target that silently changed is noticed, believed and asked more often; a calm one and a few liars change nothing."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.simulator.learning import Stream, play
from benchmarks.simulator.world import EDGE, SPECS, STATE, contexts, policy
from router_core.learning.drift import Drift
from router_core.learning.online import LOWERED, changed, from_value, merge, nothing, to_value
from router_core.learning.online_learner import Judged, OnlineLearner
from router_core.resources import ResourceState, Target, TargetState
from router_core.routing.choice import chances, pick
from router_core.routing.constraints import permitted
from router_core.routing.objective import weigh
from router_core.routing.table import compile_table


def alarm_after(
    quality: float, expected: float, judges: int = 12, seed: int = 1, most: int = 3_000
) -> int | None:
    chance, drift = random.Random(seed), Drift()
    for number in range(most):
        score = float(chance.random() < quality)
        if drift.note(EDGE, f"judge:{number % judges}", score, expected, 1.0):
            return number
    return None


@pytest.mark.parametrize("quality", [0.97, 0.85, 0.6, 0.5])
def test_a_calm_target_raises_no_alarm(quality: float) -> None:
    assert [alarm_after(quality, quality, seed=seed) for seed in range(4)] == [None] * 4


def test_a_small_lasting_error_raises_none_either() -> None:
    assert alarm_after(0.80, 0.86) is None


@pytest.mark.parametrize("expected", [0.9, 0.4])
def test_a_change_either_way_is_noticed_within_a_hundred_judgements(expected: float) -> None:
    truth = 0.5 if expected > 0.5 else 0.8
    found = [alarm_after(truth, expected, seed=seed) for seed in range(10)]
    assert all(one is not None and one <= 100 for one in found)


def test_a_single_judge_may_raise_it_where_it_is_the_only_one() -> None:
    assert alarm_after(0.3, 0.9, judges=1) is not None


@pytest.mark.parametrize("seed", range(8))
def test_three_of_ten_who_lie_raise_none_before_they_are_in_quarantine(seed: int) -> None:
    chance, drift = random.Random(seed), Drift()
    for number in range(150):
        lies = number % 10 < 3
        good = float(chance.random() < 0.85)
        assert not drift.note(EDGE, f"judge:{number % 10}", 0.0 if lies else good, 0.85, 1.0)


def test_doubt_comes_before_the_alarm_and_fades_after_it() -> None:
    drift, doubts = Drift(), list[float]()
    for number in range(400):
        drift.note(EDGE, f"judge:{number % 5}", 0.9 if drift.alarms else 0.0, 0.9, 1.0)
        doubts.append(drift.doubt(EDGE))
    assert drift.alarms == {EDGE: 1}
    assert max(doubts) == 1.0 and doubts[-1] < 0.05
    assert drift.doubts() == {}


def test_after_an_alarm_the_last_judgements_speak() -> None:
    learner = OnlineLearner(SPECS)
    for number in range(600):
        score = 1.0 if number < 500 else 0.2
        tenant = f"t{number % 3}"
        learner.judged(
            Judged(request_id=f"r{number}", tenant=tenant, target=EDGE, source="judge", score=score)
        )
    assert learner.drift.alarms[EDGE] >= 1
    assert learner.fit(EDGE)[0] == pytest.approx(0.2 - 0.85, abs=0.3) or learner.fit(EDGE)[0] == -0.4
    assert from_value(to_value(learner.known[EDGE])).prior == LOWERED


def test_what_was_found_old_is_old_for_all_processes_and_once_more_does_no_harm() -> None:
    """Two gateways that see the same change tell it to the same store."""
    learner = OnlineLearner(SPECS)
    for number in range(50):
        learner.judged(Judged(request_id=f"r{number}", tenant="t", target=EDGE, source="check", score=1.0))
    whole, since = learner.known[EDGE], nothing()
    once = merge(whole, changed(nothing(), since))
    twice = merge(once, changed(nothing(), since))
    assert (once.prior, twice.prior) == (LOWERED, LOWERED)
    assert whole.square[0, 0] > once.square[0, 0] > twice.square[0, 0] >= 0.0


@given(st.floats(0.1, 1.0), st.integers(0, 300))
def test_a_doubted_target_is_explored_more_and_the_chance_is_the_logged_one(doubt: float, seed: int) -> None:
    targets = tuple(
        Target(spec=one.spec, state=TargetState(health="up", doubt=doubt if one.spec.name == EDGE else 0.0))
        for one in STATE.targets
    )
    table = compile_table(ResourceState.of(targets), policy("curious", explore=0.3))
    context = next(contexts(seed))
    weighed = weigh(context, table, ())
    allowed, _ = permitted(context, table, weighed)
    dealt = chances(context, table, weighed.scores, allowed)
    chosen = pick(context, table, weighed.scores, allowed)
    assert sum(dealt.values()) == pytest.approx(1.0) and dealt[chosen.index] == chosen.propensity
    edge, others = table.index[EDGE], [chance for i, chance in dealt.items() if i != table.index[EDGE]]
    assert dealt[edge] > min(others)


def test_choices_among_the_doubted_come_as_often_as_logged() -> None:
    targets = tuple(
        Target(spec=one.spec, state=TargetState(health="up", doubt=1.0 if one.spec.name == EDGE else 0.0))
        for one in STATE.targets
    )
    table = compile_table(ResourceState.of(targets), policy("curious", explore=1.0))
    seen: Counter[str] = Counter()
    stream = contexts(5)
    for _ in range(4_000):
        context = next(stream)
        weighed = weigh(context, table, ())
        allowed, _ = permitted(context, table, weighed)
        seen[table.names[pick(context, table, weighed.scores, allowed).index]] += 1
    assert seen[EDGE] / 4_000 == pytest.approx(5 / 7, abs=0.03)


def test_a_drift_costs_a_third_at_most_with_one_answer_in_ten_judged() -> None:
    found = [play(Stream(seed=seed, requests=3_300, drift_at=800, judged=0.1)) for seed in range(2)]
    frozen = sum(one.told - one.frozen for one in found)
    assert sum(one.told - one.learning for one in found) <= frozen / 3
