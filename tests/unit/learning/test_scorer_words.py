"""The words' reading is fitted to the end, and what is fitted is what a request is told."""

from __future__ import annotations

import numpy as np

from router_core.learning.logistic import fit_logistic, sigmoid
from router_core.learning.scorer_text import HASHED, TWICE
from router_core.learning.training.baseline import words_and_pairs
from router_core.learning.training.features import Block, Ragged
from router_core.learning.training.words import LOOSE, Words, fit_words, rarity_of


def block(rows: int = 300, seed: int = 0) -> tuple[Block, np.ndarray]:
    """Texts of some of 30 words; the first ten make the answer good."""
    draw = np.random.default_rng(seed)
    texts = [([0, *draw.choice(np.arange(1, 31), 6, replace=False)], [1.0] * 7) for _ in range(rows)]
    ease = np.array([sum(1 for word in words[1:] if word <= 10) for words, _ in texts])
    score = (draw.random(rows) < sigmoid(1.5 * (ease - 2.0))).astype(np.float32)
    some = Ragged.of(texts)
    empty = np.zeros((rows, 0), np.float32)
    return Block(vectors=empty, counts=empty, words=some, pairs=some), score[:, None]


def test_the_fit_agrees_with_newtons_method() -> None:
    texts, score = block()
    rows = np.arange(len(score))
    rarity = rarity_of(texts, rows)
    words = Words(texts, rows, rarity)
    weights, bias = fit_words(words, score)
    ours = sigmoid((words.read(weights) + bias)[:, 0].astype(np.float64))
    dense = np.zeros((len(rows), 32))
    dense[:, 31] = 1
    for i in rows:
        flat = texts.pairs.take(rows[i : i + 1]).flat
        dense[i, flat] = rarity[flat] / np.sqrt((rarity[flat] ** 2).sum())
    ridge = np.array([1 / LOOSE] * 31 + [1e-6])
    exact = sigmoid(dense @ fit_logistic(dense, score[:, 0].astype(np.float64), ridge=ridge))
    assert np.abs(ours - exact).max() < 0.01


def test_words_that_tell_are_learned_and_rare_ones_weigh_more() -> None:
    texts, score = block()
    rows = np.arange(len(score))
    rarity = rarity_of(texts, rows)
    weights, _ = fit_words(Words(texts, rows, rarity), score)
    assert weights[1:11, 0].min() > weights[11:31, 0].max()
    assert rarity[0] < rarity[1] < rarity[HASHED]
    assert len(rarity) == TWICE


def test_some_texts_of_a_ragged_matrix_are_those_texts() -> None:
    texts = Ragged.of([([1, 2], [1.0, 2.0]), ([3], [1.0]), ([4, 5, 6], [1.0, 1.0, 3.0])])
    some = texts.take(np.array([2, 0]))
    assert some.flat.tolist() == [4, 5, 6, 1, 2]
    assert some.often.tolist() == [1.0, 1.0, 3.0, 1.0, 2.0]
    assert some.sizes.tolist() == [3, 2]
    assert texts.take(np.array([1])).after(some).flat.tolist() == [4, 5, 6, 1, 2, 3]


def test_the_baseline_reads_words_and_pairs() -> None:
    assert words_and_pairs(["one two three", ""]).sizes.tolist() == [6, 1]
