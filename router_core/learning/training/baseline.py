"""The reference to beat: logistic regression on hashed word pairs, and a tier's mean length as its cost.

Committed beside the scorer so that every gain is a gain over something that runs, on the same questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer_text import ALWAYS, HASHED, PAIR, words_of
from router_core.learning.training.features import Ragged
from router_core.learning.training.judged import Judged
from router_core.learning.training.network import bag_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
EPOCHS: Final = 6
BATCH: Final = 128
RATE: Final = 0.03


def words_and_pairs(texts: Sequence[str]) -> Ragged:
    """The texts' hashed words and pairs of words, each as often as it is said."""
    hashed = [_hashed(text) for text in texts]
    return Ragged.of([(rows, [1.0] * len(rows)) for rows in hashed])


def _hashed(text: str) -> list[int]:
    single = np.array([crc32(word.encode()) for word in words_of(text)], np.int64)
    pairs = (single[:-1] * PAIR + single[1:]) >> 7
    rows: list[int] = (np.concatenate((np.array([ALWAYS]), single, pairs)) & (HASHED - 1)).tolist()
    return rows


class Baseline:
    """One head per model of a source: hashed words and pairs, AdaGrad, and the mean length."""

    def __init__(
        self, judged: Judged, words: Ragged, rows: Ints, models: Sequence[str], seed: int = 0
    ) -> None:
        self._words = words
        columns = [judged.heads.index(name) for name in models]
        scores = judged.scores[np.ix_(rows, np.array(columns))]
        whole = ~np.isnan(scores).any(axis=1)
        tokens = judged.tokens[np.ix_(rows, np.array(columns))]
        known = ~np.isnan(tokens)
        self.tokens = np.where(known, tokens, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        self.weights = np.zeros((HASHED, len(models)), np.float32)
        mean = np.clip(scores[whole].mean(axis=0), 0.02, 0.98) if whole.any() else np.full(len(models), 0.5)
        self.bias = np.log(mean / (1 - mean)).astype(np.float32)
        self._fit(rows[whole], scores[whole], np.random.default_rng(seed))

    def chances(self, rows: Ints) -> Floats:
        """Rows x models."""
        bag, _ = bag_of(self.weights, self._words.take(rows))
        result: Floats = 1 / (1 + np.exp(-(bag + self.bias)))
        return result

    def _fit(self, rows: Ints, scores: Floats, chance: np.random.Generator) -> None:
        seen = np.full_like(self.weights, 1e-3)
        for _ in range(EPOCHS):
            order = chance.permutation(len(rows))
            for start in range(0, len(rows), BATCH):
                some = order[start : start + BATCH]
                said = self._words.take(rows[some])
                bag, scale = bag_of(self.weights, said)
                error = (1 / (1 + np.exp(-(bag + self.bias))) - scores[some]) * scale
                by_word = np.argsort(said.flat, kind="stable")
                names, first = np.unique(said.flat[by_word], return_index=True)
                owner = np.repeat(np.arange(len(some)), said.sizes)[by_word]
                gradient = np.add.reduceat(error[owner], first, axis=0) / np.float32(len(some))
                seen[names] += gradient * gradient
                self.weights[names] -= np.float32(RATE) * gradient / np.sqrt(seen[names])
