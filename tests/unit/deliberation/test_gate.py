"""Asking pays where the fast path is in doubt, the model is good, and the stake is worth the price."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.deliberation import gate
from agents.deliberation.outlook import SKILLS, Outlook, outlook
from agents.deliberation.track import PRIOR_GAIN, TrackRecord
from router_core.inference import Preferences
from router_core.policy.deliberation import Deliberates
from tests.unit.agents.house import ask
from tests.unit.deliberation.thinking import policy, weighing

PLACE = ("router", "complex")


def test_worth_rises_with_gain_risk_and_stake() -> None:
    low = replace(weighing().decision, risk="low")
    given = policy(stake_simple_usd=0.01)

    def worth(gain: float, **changes: str) -> float:
        return gate.worth_usd(replace(low, **changes), given, gain)  # type: ignore[arg-type]  # by the fields' names

    assert worth(0.2) > worth(0.1) > 0.0 > worth(-0.1)
    assert worth(0.1, risk="high") > worth(0.1)
    assert worth(0.1, request_class="complex") > worth(0.1)


def test_modes() -> None:
    assert gate.asks("always", sampled=False, worth=-1.0, price=1.0)
    assert gate.asks("sampled", sampled=True, worth=-1.0, price=1.0)
    assert not gate.asks("sampled", sampled=False, worth=9.0, price=1.0)
    assert gate.asks("gated", sampled=False, worth=2.0, price=1.0)
    assert gate.asks("gated", sampled=True, worth=0.5, price=1.0)
    assert not gate.asks("gated", sampled=False, worth=0.5, price=1.0)


def test_the_sample_is_its_share() -> None:
    rules = Deliberates(sample_rate=0.2)
    drawn = sum(gate.drawn(rules, "router", f"req_{n}") for n in range(5000))
    assert 900 < drawn < 1100


def test_the_budget_leaves_the_fast_answer_its_time() -> None:
    given = weighing(ask(preferences=Preferences(max_latency_ms=9000.0)))
    rules, expected = Deliberates(budget_ms=60_000.0), given.decision.prediction.latency_ms
    found = gate.budget_s(given, rules, spent_s=1.0)
    assert found == pytest.approx(0.5 * (9.0 - expected / 1000.0 - 1.0))
    assert gate.budget_s(given, Deliberates(budget_ms=10.0), 0.0) == 0.01


NAMES = ("cloud", "edge")


def seen(quality: tuple[float, float] = (0.8, 0.7), costs: tuple[float, float] = (0.08, 0.01)) -> Outlook:
    return outlook(NAMES, "edge", quality, costs)


@given(
    quality=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=8),
    costs=st.lists(st.floats(0.0, 2.0), min_size=8, max_size=8),
)
def test_an_outlook_is_made_of_chances_and_ignorance_is_worth_nothing(
    quality: list[float], costs: list[float]
) -> None:
    names = [f"t{i}" for i in range(len(quality))]
    found = outlook(names, "t0", quality, costs[: len(names)])
    assert found.told.sum(axis=1) == pytest.approx(np.ones(len(SKILLS)))
    assert found.told.min() >= 0.0 and found.good.min() > 0.0 and found.good.max() < 1.0
    assert found.worth(0) == pytest.approx(0.0, abs=1e-9)
    worth = [found.worth(skill) for skill in range(len(SKILLS))]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(worth))


def test_a_skilled_model_is_worth_more_where_the_fast_choice_may_be_wrong() -> None:
    at = len(SKILLS) - 1
    assert seen((0.8, 0.4), (0.4, 0.0)).worth(at) > seen((0.99, 0.95), (0.1, 0.0)).worth(at) + 0.05
    assert seen(costs=(2.0, 0.0)).worth(at) == pytest.approx(0.0, abs=1e-9)


def test_advice_is_followed_once_the_model_is_known_to_be_good() -> None:
    unknown, good, bad = (np.eye(len(SKILLS))[i] for i in (4, -1, 0))
    assert seen().pays("cloud", good) and not seen().pays("cloud", bad)
    assert seen().pays("edge", unknown) and seen().pays("edge", bad)


def test_skill_is_learned_from_what_came_of_advice() -> None:
    found, chance = seen(), random.Random(3)
    for skill in (0.0, 0.5, 0.97):
        track, at = TrackRecord(), int(np.searchsorted(SKILLS, skill))
        for number in range(1200):
            named = NAMES[int(chance.random() > found.told[at, 0])]
            asked = named if number % 2 else "edge"
            track.advised(f"r{number}", PLACE, asked, found.evidence(named, asked))
            good = found.good[at, NAMES.index(named), NAMES.index(asked)]
            track.judged(f"r{number}", asked, float(chance.random() < good))
        believed = track.skills(PLACE)
        assert float(believed @ SKILLS) == pytest.approx(skill, abs=0.2)
        assert track.skills(("router", "batch")) == pytest.approx(np.full(len(SKILLS), 1 / len(SKILLS)))


def test_what_is_drawn_follows_what_is_believed() -> None:
    track = TrackRecord()
    assert [track.drawn(PLACE, fraction) for fraction in (0.0, 0.5, 0.999999)] == [0, 5, len(SKILLS) - 1]
    assert track.drawn(PLACE, 1.0) == len(SKILLS) - 1


def test_a_judgement_counts_once_and_old_evidence_fades() -> None:
    track, sure, now = TrackRecord(), np.linspace(0.1, 0.9, len(SKILLS)), []
    for score in (0.0, 1.0):
        for number in range(1000):
            track.advised(f"r{number}", PLACE, "edge", sure)
            track.judged(f"r{number}", "edge", score)
        now.append(float(track.skills(PLACE) @ SKILLS))
        track.judged("r1", "edge", 1.0 - score)
        assert float(track.skills(PLACE) @ SKILLS) == now[-1]
    assert now[0] < 0.05 and now[1] > 0.9


def test_a_reading_that_never_changes_anything_is_worth_little() -> None:
    track = TrackRecord()
    start = track.reading_gain(PLACE, 0.45)
    assert start == pytest.approx(0.45 * PRIOR_GAIN)
    for _ in range(400):
        track.read(PLACE, 0.45, changed=False)
    assert 0.0 < track.reading_gain(PLACE, 0.45) < 0.002
    assert track.reading_gain(PLACE, 0.1) == pytest.approx(0.2 * PRIOR_GAIN)
