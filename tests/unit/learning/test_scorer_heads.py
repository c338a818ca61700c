"""A new model joins with a declared quality and is learned from about a hundred judged answers."""

from __future__ import annotations

import numpy as np

from router_core.learning.logistic import sigmoid
from router_core.learning.scorer_heads import Components, fit_new_head, principal_components
from router_core.learning.training.measures import auc


def known_heads(rows: int = 3000, heads: int = 20) -> tuple[Components, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    ease = draw.normal(size=rows)
    logits = ease[:, None] * draw.uniform(0.5, 1.5, heads) + draw.normal(0, 0.3, (rows, heads)) + 0.4
    components = principal_components(logits)
    score = (draw.random(rows) < sigmoid(1.5 * ease - 0.8)).astype(float)
    return components, components.of(logits), score


def test_without_answers_the_declared_quality_stands() -> None:
    _, parts, _ = known_heads()
    head = fit_new_head(parts[:0], np.zeros(0), declared_quality=0.8)
    assert abs(float(head.chances(np.zeros((1, parts.shape[1])))[0]) - 0.8) < 1e-6


def test_a_hundred_answers_come_close_to_thousands() -> None:
    _, parts, score = known_heads()
    few = fit_new_head(parts[:100], score[:100], declared_quality=0.9)
    many = fit_new_head(parts[:2000], score[:2000], declared_quality=0.9)
    test, right = parts[2000:], score[2000:]
    assert auc(few.chances(test), right) > auc(many.chances(test), right) - 0.02
    assert abs(few.chances(test).mean() - right.mean()) < 0.1


def test_fitting_twice_gives_the_same_bits() -> None:
    _, parts, score = known_heads()
    one = fit_new_head(parts[:80], score[:80], declared_quality=0.5)
    assert one == fit_new_head(parts[:80], score[:80], declared_quality=0.5)
