"""Calibration by kind of text, after the readings were mixed: how confident each head may be, and by how much a kind's
level was missed.

A kind is what the text itself gives away (a linear reading guesses which table it could come from). Small tables move
the readings little, so their level is corrected here, on questions that the judging half had not seen, and drawn to
zero where rows are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.logistic import fit_logistic, log_odds, sigmoid
from router_core.learning.scorer import FLOOR, LINEAR_FLOOR, SHARES

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
SLOPE_RIDGE: Final = 20.0
KIND_RIDGE: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Per row and routed head: log odds, log tokens, the linear reading and the words' log odds; per row and kind: its
    share."""

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

    def mixed(self) -> Doubles:
        """The three readings' log odds in one."""
        linear = log_odds(self.linear, LINEAR_FLOOR)
        result: Doubles = SHARES[0] * self.odds + SHARES[1] * linear + SHARES[2] * self.words
        return result


def calibration_of(seen: Seen, scores: Floats, tokens: Floats) -> Arrays:
    """Slope per head of the mixed log odds; offsets of log odds and of log tokens per kind and head."""
    heads, kinds = scores.shape[1], seen.kinds.shape[1]
    slope, odds, lengths, mixed = np.ones(heads), *np.zeros((2, kinds, heads)), seen.mixed()
    ridge = np.array([SLOPE_RIDGE] + [KIND_RIDGE] * kinds)
    centre = np.array([1.0] + [0.0] * kinds)
    for j in range(heads):
        known = ~np.isnan(scores[:, j])
        if known.any():
            x = np.concatenate((mixed[known, j : j + 1], seen.kinds[known]), axis=1)
            found = fit_logistic(x, scores[known, j].astype(np.float64), ridge=ridge, centre=centre)
            slope[j], odds[:, j] = found[0], found[1:]
        known = ~np.isnan(tokens[:, j])
        if known.any():
            missed = np.log(np.maximum(tokens[known, j], 1)) - seen.lengths[known, j]
            lengths[:, j] = _missed(seen.kinds[known], missed)
    return {
        "slope": slope.astype(np.float32),
        "kind_odds": odds.astype(np.float32),
        "kind_tokens": lengths.astype(np.float32),
    }


def _missed(kinds: Doubles, missed: Doubles) -> Doubles:
    """Offset per kind that explains what was missed, drawn to zero."""
    square = kinds.T @ kinds + KIND_RIDGE * np.eye(kinds.shape[1])
    return np.linalg.solve(square, kinds.T @ missed).astype(np.float64)


def calibrated(seen: Seen, arrays: Arrays) -> Doubles:
    """The chances as the scorer would give them for kinds of text that it knows."""
    odds = seen.mixed() * arrays["slope"] + seen.kinds @ arrays["kind_odds"]
    return np.clip(sigmoid(odds), FLOOR, 1 - FLOOR)
