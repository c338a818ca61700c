"""The words' own reading of every routed head: logistic regression on which words and pairs of words a text has, fitted to the end.

A word is weighed by how rare it is, and a text's weights have about unit length, so that length does not move the
reading. Ridge and exact fit make it worth as much as the network where a table is small, and it
is wrong on other questions.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer_text import TWICE
from router_core.learning.training.features import Block

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
LOOSE: Final = 1.5
"""How far a question may bend the weights: the inverse of the ridge."""
ROUNDS: Final = 120
POWER_ROUNDS: Final = 12


def rarity_of(block: Block, rows: Ints) -> Floats:
    """Weight of each hashed word: 1 where every text has it, more where few have."""
    seen = np.bincount(block.pairs.take(rows).flat, minlength=TWICE)
    return (np.log((1 + len(rows)) / (1 + seen)) + 1).astype(np.float32)


class Words:
    """The rows' words as a sparse matrix, in both orders."""

    def __init__(self, block: Block, rows: Ints, rarity: Floats) -> None:
        some = block.pairs.take(rows)
        flat, sizes = some.flat, some.sizes
        self._starts, self.rows = some.starts, len(rows)
        value = some.often * rarity[flat]
        value /= np.sqrt(np.repeat(np.add.reduceat(value * rarity[flat], some.starts), sizes))
        self._flat, self._value = flat, value[:, None]
        order = np.argsort(flat, kind="stable")
        self._owner = np.repeat(np.arange(len(rows)), sizes)[order]
        self._by_word = value[order][:, None]
        self._names, self._first = np.unique(flat[order], return_index=True)

    def read(self, weights: Floats) -> Floats:
        """Rows x heads."""
        result: Floats = np.add.reduceat(weights.take(self._flat, axis=0) * self._value, self._starts, axis=0)
        return result

    def back(self, error: Floats) -> Floats:
        """The transposed product: hashed words x heads."""
        result = np.zeros((TWICE, error.shape[1]), np.float32)
        result[self._names] = np.add.reduceat(
            error.take(self._owner, axis=0) * self._by_word, self._first, axis=0
        )
        return result

    def stretch(self) -> float:
        """The largest eigenvalue of the matrix's square, by the power method."""
        vector = np.ones((TWICE, 1), np.float32)
        size = 1.0
        for _ in range(POWER_ROUNDS):
            vector = self.back(self.read(vector))
            size = float(np.sqrt((vector * vector).sum()))
            vector /= np.float32(size)
        return size


def fit_words(words: Words, scores: Floats) -> tuple[Floats, Floats]:
    """Weights (hashed words x heads) and bias for scores in [0, 1], by accelerated gradient steps of a fixed number."""
    rate = np.clip(scores.mean(axis=0), 0.02, 0.98)
    weights: Floats = np.zeros((TWICE, scores.shape[1]), np.float32)
    bias: Floats = np.log(rate / (1 - rate)).astype(np.float32)
    ridge = 1 / LOOSE
    steep = 0.27 * words.stretch() + ridge
    step, step_bias = np.float32(1 / steep), np.float32(4.0 / words.rows)
    root = np.sqrt(ridge / steep)
    push = np.float32((1 - root) / (1 + root))
    ahead = weights
    for _ in range(ROUNDS):
        said = words.read(ahead) + bias
        error = np.asarray(1 / (1 + np.exp(-said)) - scores, np.float32)
        moved: Floats = np.asarray(ahead - step * (words.back(error) + np.float32(ridge) * ahead), np.float32)
        bias -= np.float32(0.5) * step_bias * error.sum(axis=0)
        ahead, weights = np.asarray(moved + push * (moved - weights), np.float32), moved
    return weights, bias
