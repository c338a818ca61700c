"""Logistic regression by Newton's method with a ridge: exact, without chance, the same on every run."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
ROUNDS: Final = 50
TOLERANCE: Final = 1e-8
LIMIT: Final = 30.0


def sigmoid(x: Doubles) -> Doubles:
    """A chance from log odds."""
    result: Doubles = 1.0 / (1.0 + np.exp(-np.clip(x, -LIMIT, LIMIT)))
    return result


def log_odds(p: Doubles, floor: float = 1e-4) -> Doubles:
    """Log odds of a chance, kept finite."""
    p = np.clip(p, floor, 1 - floor)
    result: Doubles = np.log(p / (1 - p))
    return result


def fit_logistic(
    x: Doubles,
    y: Doubles,
    *,
    ridge: Doubles | float,
    centre: Doubles | None = None,
    weight: Doubles | None = None,
) -> Doubles:
    """Weights of `x`'s columns for scores `y` in [0, 1], drawn towards `centre` (zero) by `ridge` per column."""
    columns = x.shape[1]
    penalty = np.broadcast_to(np.asarray(ridge, float), (columns,))
    prior = np.zeros(columns) if centre is None else centre
    row = np.ones(len(x)) if weight is None else weight
    w = prior.copy()
    for _ in range(ROUNDS):
        p = sigmoid(x @ w)
        gradient = x.T @ (row * (p - y)) + penalty * (w - prior)
        curve = (x * (row * np.maximum(p * (1 - p), 1e-6))[:, None]).T @ x + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curve, gradient)
        # A full step may overshoot where rows are few: bound it.
        step *= min(1.0, 4.0 / (float(np.abs(step).max()) + 1e-12))
        w = w - step
        if float(np.abs(step).max()) < TOLERANCE:
            break
    return w
