"""The reference to beat: logistic regression on hashed word pairs, and a tier's mean length as its cost.

Committed beside the scorer so that every gain is a gain over something that runs, on the same questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer_text import HASHED
from router_core.learning.training.features import Block
from router_core.learning.training.judged import Judged
from router_core.learning.training.network import bag_of, entries

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
EPOCHS: Final = 6
BATCH: Final = 128
RATE: Final = 0.03


class Baseline:
    """One head per model of a source: hashed words and pairs, AdaGrad, and the mean length."""

    def __init__(
        self, judged: Judged, block: Block, rows: Ints, models: Sequence[str], seed: int = 0
    ) -> None:
        self._block = block
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
        bag, _ = bag_of(self.weights, *entries(self._block, rows))
        result: Floats = 1 / (1 + np.exp(-(bag + self.bias)))
        return result

    def _fit(self, rows: Ints, scores: Floats, chance: np.random.Generator) -> None:
        seen = np.full_like(self.weights, 1e-3)
        for _ in range(EPOCHS):
            order = chance.permutation(len(rows))
            for start in range(0, len(rows), BATCH):
                some = order[start : start + BATCH]
                flat, starts = entries(self._block, rows[some])
                bag, scale = bag_of(self.weights, flat, starts)
                error = (1 / (1 + np.exp(-(bag + self.bias))) - scores[some]) * scale
                sizes = np.diff(np.concatenate((starts, [len(flat)])))
                by_word = np.argsort(flat, kind="stable")
                words, first = np.unique(flat[by_word], return_index=True)
                owner = np.repeat(np.arange(len(some)), sizes)[by_word]
                gradient = np.add.reduceat(error[owner], first, axis=0) / np.float32(len(some))
                seen[words] += gradient * gradient
                self.weights[words] -= np.float32(RATE) * gradient / np.sqrt(seen[words])
