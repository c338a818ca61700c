"""Linear readings of the layer before the heads: ridge regression of the scores themselves.

What routes is the difference between two models' chances, and that is far smaller than what they share. A least-squares
fit of each is a least-squares fit of the difference; the network's heads, fitted by likelihood, follow what is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.training.features import Block
from router_core.learning.training.network import Net, bag_of, gelu, inputs

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
PAIR_RIDGE: Final = 100.0
TIER_RIDGE: Final = 3_000.0
"""Two models of one table differ in what words tell; the tiers of many tables differ mostly in their level."""
FULL_ROWS: Final = 5_000
MOST: Final = 8.0
"""The ridge grows where rows are fewer than `FULL_ROWS`, up to so many times."""
ENOUGH: Final = 30


def with_hidden(net: Net, block: Block, rows: Ints) -> Floats:
    """Inputs and hidden layer side by side."""
    parts = []
    for start in range(0, len(rows), 2048):
        some = rows[start : start + 2048]
        bag, _ = bag_of(net.bag, block.words.take(some))
        x = np.concatenate((inputs(block, some), bag), axis=1)
        parts.append(np.concatenate((x, gelu(x @ net.enter + net.enter_bias)), axis=1))
    return np.concatenate(parts)


def linear_readings(layer: Floats, scores: Floats, ridge: Sequence[float]) -> tuple[Doubles, Doubles]:
    """Weights (layer x heads) and bias per head; heads with hardly any rows read their mean."""
    weights = np.zeros((layer.shape[1], scores.shape[1]))
    bias = np.full(scores.shape[1], 0.5)
    known = ~np.isnan(scores)
    for heads in _alike(known):
        rows = known[:, heads[0]]
        many = int(rows.sum())
        if not many:
            continue
        y = scores[rows][:, heads].astype(np.float64)
        bias[heads] = y.mean(axis=0)
        if many < ENOUGH:
            continue
        x = layer[rows].astype(np.float64)
        mean = x.mean(axis=0)
        x -= mean
        square, product = x.T @ x, x.T @ (y - y.mean(axis=0))
        for i, j in enumerate(heads):
            held = ridge[j] * min(MOST, max(1.0, FULL_ROWS / many))
            weights[:, j] = np.linalg.solve(square + held * np.eye(len(square)), product[:, i])
            bias[j] -= float(mean @ weights[:, j])
    return weights, bias


def _alike(known: NDArray[np.bool_]) -> list[list[int]]:
    """Heads that know the same rows: they share the costly product."""
    by_rows: dict[bytes, list[int]] = {}
    for j in range(known.shape[1]):
        by_rows.setdefault(known[:, j].tobytes(), []).append(j)
    return list(by_rows.values())
