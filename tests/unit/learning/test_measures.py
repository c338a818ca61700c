"""The figures say what they claim: 0 for mixing, 1 for an oracle, a known value by hand."""

from __future__ import annotations

import numpy as np
import pytest

from router_core.learning.training.measures import (
    auc,
    cost_usd_per_1k,
    ece,
    excess_ece,
    peer_figures,
    tier_figures,
)


def answers(rows: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    hard = draw.random(rows)
    chance = np.stack([1 - hard, 1 - 0.6 * hard, 1 - 0.2 * hard], axis=1)
    return chance, (draw.random((rows, 3)) < chance).astype(float)


def test_a_random_order_keeps_half_of_the_lead_and_a_perfect_one_more_than_all() -> None:
    _, score = answers()
    weak, strong = score[:, 0], score[:, 2]
    random = peer_figures(np.random.default_rng(1).random(len(score)), weak, strong)
    perfect = peer_figures(strong - weak + 1e-9 * np.arange(len(score)), weak, strong)
    assert random["apgr"] == pytest.approx(0.5, abs=0.03)
    assert random["cpt50"] == pytest.approx(50, abs=4)
    assert perfect["apgr"] > 0.85


def test_the_same_chances_for_all_gain_nothing_and_the_outcomes_everything() -> None:
    _, score = answers()
    cost = cost_usd_per_1k(np.full(len(score), 400.0), np.full(score.shape, 100.0))
    flat = tier_figures(np.tile(score.mean(axis=0), (len(score), 1)), cost, cost, score)
    oracle = tier_figures(score + 1e-9, cost, cost, score)
    assert flat["naiq"] == pytest.approx(0.0, abs=0.01)
    assert oracle["naiq"] == pytest.approx(1.0, abs=1e-9)
    assert flat["save98"] == pytest.approx(flat["mix98"], abs=1e-6)


def test_knowing_the_chances_gains_something() -> None:
    chance, score = answers()
    cost = cost_usd_per_1k(np.full(len(score), 400.0), np.full(score.shape, 100.0))
    assert 0.1 < tier_figures(chance, cost, cost, score)["naiq"] < 0.9


def test_a_perfect_predictor_has_no_excess_error_and_a_boaster_has() -> None:
    chance, score = answers()
    assert abs(excess_ece(chance[:, 0], score[:, 0])) < 0.012
    assert ece(np.clip(chance[:, 0] + 0.2, 0, 1), score[:, 0]) > 0.1


def test_auc_of_hand_made_ranks() -> None:
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(0.75)
    assert auc(np.array([0.5, 0.5]), np.array([0.0, 1.0])) == pytest.approx(0.5)
    assert np.isnan(auc(np.array([0.5]), np.array([1.0])))
