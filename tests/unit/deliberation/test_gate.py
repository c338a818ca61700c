"""Asking pays where the fast path is in doubt, the model is good, and the stake is worth the price."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.deliberation import gate
from agents.deliberation.track import CURIOSITY, PRIOR_GAIN, Place, TrackRecord
from router_core.policy.deliberation import Deliberates
from tests.unit.agents.house import ask
from tests.unit.deliberation.thinking import policy, weighing


def test_doubt_is_half_at_a_tie_and_none_at_a_clear_lead() -> None:
    decision = weighing().decision
    assert gate.doubt(replace(decision, scores={"a": 0.5, "b": 0.5})) == 0.5
    assert gate.doubt(replace(decision, scores={"a": 0.5, "b": 0.45})) == pytest.approx(0.25)
    assert gate.doubt(replace(decision, scores={"a": 0.9, "b": 0.5})) == 0.0


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
    from router_core.inference import Preferences

    given = weighing(ask(preferences=Preferences(max_latency_ms=9000.0)))
    rules, expected = Deliberates(budget_ms=60_000.0), given.decision.prediction.latency_ms
    found = gate.budget_s(given.context, given.decision, given.table.policy, rules, spent_s=1.0)
    assert found == pytest.approx(0.5 * (9.0 - expected / 1000.0 - 1.0))
    short = Deliberates(budget_ms=10.0)
    assert gate.budget_s(given.context, given.decision, given.table.policy, short, 0.0) == 0.01


def place(doubt: float = 0.45, **changes: str) -> Place:
    decision = replace(weighing().decision, request_class="complex")
    return Place.of("router", replace(decision, **changes), doubt)  # type: ignore[arg-type]  # by the fields' names


def told(track: TrackRecord, count: int, *, changed: bool, score: float) -> None:
    for number in range(count):
        track.answered(place(), changed=changed)
        track.followed(f"r{number}", place(), 0.7)
        track.judged(f"r{number}", score)


def test_the_track_record_begins_curious_and_learns_by_place() -> None:
    good, bad = TrackRecord(), TrackRecord()
    start = good.gain(place(), 0.45)
    assert start == pytest.approx(0.45 * PRIOR_GAIN + CURIOSITY)
    told(good, 300, changed=True, score=1.0)
    told(bad, 300, changed=True, score=0.2)
    assert good.gain(place(), 0.45) > 0.25 > 0.0 > bad.gain(place(), 0.45)
    for other in (place(0.1), place(request_class="simple"), place(target="cloud/other")):
        assert bad.gain(other, 0.45) == start


def test_a_model_that_never_changes_anything_is_worth_little() -> None:
    track = TrackRecord()
    for _ in range(400):
        track.answered(place(), changed=False)
    assert 0.0 < track.gain(place(), 0.45) < 0.02


def test_a_judgement_counts_once_and_old_evidence_fades() -> None:
    track = TrackRecord()
    told(track, 2000, changed=True, score=0.0)
    low = track.gain(place(), 0.45)
    track.judged("r1", 1.0)
    assert track.gain(place(), 0.45) == low
    told(track, 600, changed=True, score=1.0)
    assert track.gain(place(), 0.45) > low + 0.1


def test_a_dearer_choice_has_to_be_better() -> None:
    fast, given = weighing().decision, policy(stake_simple_usd=0.01)
    dearer = replace(fast, prediction=replace(fast.prediction, cost_usd=fast.prediction.cost_usd + 0.002))
    assert gate.promised(fast, fast, given) == fast.prediction.quality
    assert gate.promised(fast, dearer, given) == pytest.approx(fast.prediction.quality + 0.2)
