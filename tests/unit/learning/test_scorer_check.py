"""The check after an answer: agreement counts, missing answers do not crash it, and its threshold keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest

from router_core.learning.scorer_check import Check, check_features, fit_check, keep_above, plain_answer


@pytest.mark.parametrize(
    ("one", "two"),
    [("$18", "18"), ("18.0", "18"), (" B ", "b"), ("1,000", "1000"), ("(C)", "c"), ("\\boxed{7}", "7")],
)
def test_answers_are_compared_without_their_clothes(one: str, two: str) -> None:
    assert plain_answer(one) == plain_answer(two)


def test_no_answer_agrees_with_nothing() -> None:
    assert plain_answer(None) is None
    assert plain_answer(" ") is None


def fitted(rows: int = 800, seed: int = 3) -> tuple[Check, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    right = (draw.random(rows) < 0.6).astype(float)
    features = []
    for one in right:
        own = "1" if one else str(draw.integers(2, 9))
        other = "1" if draw.random() < 0.7 else str(draw.integers(2, 9))
        features.append(check_features(0.6, own, {"other": other}, ("other",)))
    table = np.array(features)
    return fit_check(table, right, ("other",)), table, right


def test_agreement_makes_sure_and_contradiction_unsure() -> None:
    check, _, _ = fitted()
    agreed = check.chance(0.6, "1", {"other": "1"})
    unsaid = check.chance(0.6, "1", {"other": None})
    against = check.chance(0.6, "1", {"other": "2"})
    assert agreed > 0.9
    assert agreed > unsaid > against


def test_a_check_survives_the_card() -> None:
    check, _, _ = fitted()
    assert Check.from_card({"named": list(check.named), "weights": list(check.weights)}) == check
    assert Check.from_card(None) is None


def test_the_share_of_bad_answers_kept_stays_below_what_was_promised() -> None:
    check, _, _ = fitted(seed=3)
    broken = 0
    for seed in range(20):
        _, table, right = fitted(rows=1500, seed=100 + seed)
        chances = 1 / (1 + np.exp(-(table @ np.array(check.weights))))
        bound = keep_above(chances[:500], right[:500], 0.10)
        kept = chances[500:] >= bound
        broken += float((kept & (right[500:] == 0)).mean()) > 0.10
    assert broken <= 2


def test_nothing_is_kept_when_nothing_can_be_promised() -> None:
    assert keep_above(np.array([0.9, 0.8]), np.array([1.0, 1.0]), 0.01) > 1.0
