"""Calibration by kind of text: how confident each head may be, and by how much a kind's level was missed.

A kind is what the text itself gives away (a linear reading guesses which table it could come from). Small tables move
the network little, so their level is corrected here, on questions that the judging half had not seen, and drawn to
zero where rows are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.logistic import fit_logistic, sigmoid
from router_core.learning.scorer import FLOOR, WORDS_SHARE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
SLOPE_RIDGE: Final = 20.0
KIND_RIDGE: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Per row and routed head: log odds, log tokens, linear and word readings; per row and kind: its share."""

    odds: Doubles
    lengths: Doubles
    linear: Doubles
    words: Doubles
    kinds: Doubles

    @classmethod
    def empty(cls, rows: int, heads: int, kinds: int) -> Seen:
        """Room for so many rows."""
        return cls(
            odds=np.zeros((rows, heads)),
            lengths=np.zeros((rows, heads)),
            linear=np.zeros((rows, heads)),
            words=np.zeros((rows, heads)),
            kinds=np.zeros((rows, kinds)),
        )

    def put(self, rows: NDArray[np.bool_], other: Seen) -> None:
        """Fill some rows."""
        for name in ("odds", "lengths", "linear", "words", "kinds"):
            getattr(self, name)[rows] = getattr(other, name)


def calibration_of(seen: Seen, scores: Floats, tokens: Floats) -> Arrays:
    """Slope per head; offsets of log odds, of linear readings and of log tokens per kind and head."""
    heads, kinds = scores.shape[1], seen.kinds.shape[1]
    slope, odds, level, lengths = np.ones(heads), *np.zeros((3, kinds, heads))
    ridge = np.array([SLOPE_RIDGE] + [KIND_RIDGE] * kinds)
    centre = np.array([1.0] + [0.0] * kinds)
    for j in range(heads):
        known = ~np.isnan(scores[:, j])
        if known.any():
            x = np.concatenate((seen.odds[known, j : j + 1], seen.kinds[known]), axis=1)
            found = fit_logistic(x, scores[known, j].astype(np.float64), ridge=ridge, centre=centre)
            slope[j], odds[:, j] = found[0], found[1:]
            level[:, j] = _missed(seen.kinds[known], scores[known, j] - seen.linear[known, j])
        known = ~np.isnan(tokens[:, j])
        if known.any():
            missed = np.log(np.maximum(tokens[known, j], 1)) - seen.lengths[known, j]
            lengths[:, j] = _missed(seen.kinds[known], missed)
    return {
        "slope": slope.astype(np.float32),
        "kind_odds": odds.astype(np.float32),
        "kind_level": level.astype(np.float32),
        "kind_tokens": lengths.astype(np.float32),
    }


def _missed(kinds: Doubles, missed: Doubles) -> Doubles:
    """Offset per kind that explains what was missed, drawn to zero."""
    square = kinds.T @ kinds + KIND_RIDGE * np.eye(kinds.shape[1])
    return np.linalg.solve(square, kinds.T @ missed).astype(np.float64)


def calibrated(seen: Seen, arrays: Arrays, linear_share: float) -> Doubles:
    """The chances as the scorer would give them, without doubt."""
    net = sigmoid(seen.odds * arrays["slope"] + seen.kinds @ arrays["kind_odds"])
    mixed: Doubles = net + linear_share * (
        np.clip(seen.linear + seen.kinds @ arrays["kind_level"], FLOOR, 1 - FLOOR) - net
    )
    mixed += WORDS_SHARE * (seen.words - mixed)
    return np.clip(mixed, FLOOR, 1 - FLOOR)
