"""Intervals for one look and for many, against sums whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from router_core.learning.confidence_sequence import UNKNOWN, Moments, always, factor, once, path

LOGS, SIZE, LEAST = 600, 1_500, 50


def streams() -> np.ndarray:
    """Means of 0, skewed."""
    return np.random.default_rng(5).exponential(1.0, (LOGS, SIZE)) - 1.0


def test_the_interval_for_one_look_holds_the_truth_in_95_of_100() -> None:
    held = sum(0.0 in once(Moments.of(values)) for values in streams())
    assert held / LOGS == pytest.approx(0.95, abs=0.025)


def test_looking_after_every_value_breaks_the_interval_but_not_the_sequence() -> None:
    values = streams()
    ends = [path(one) for one in values]
    always_held = sum(bool(np.all((low[LEAST:] <= 0.0) & (high[LEAST:] >= 0.0))) for low, high in ends)
    once_held = 0
    for one in values:
        count = np.arange(1, SIZE + 1)
        mean = np.cumsum(one) / count
        radius = 1.96 * np.sqrt((np.cumsum(one * one) / count - mean * mean) / count)
        once_held += bool(np.all(np.abs(mean[LEAST:]) <= radius[LEAST:]))
    assert always_held / LOGS >= 0.95
    assert once_held / LOGS < 0.8


def test_the_path_ends_where_the_sums_say() -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 400)
    low, high = path(values)
    end = always(Moments.of(values))
    assert (low[-1], high[-1]) == pytest.approx((end.low, end.high))


def test_sums_of_parts_are_sums_of_the_whole() -> None:
    values = np.random.default_rng(2).normal(size=100)
    parts = Moments.of(values[:30]) + Moments.of(values[30:])
    whole = Moments()
    for one in values:
        whole = whole.with_value(float(one))
    assert (parts.mean, parts.error) == pytest.approx((whole.mean, whole.error))


def test_too_few_values_say_nothing() -> None:
    assert once(Moments()) == always(Moments().with_value(3.0)) == UNKNOWN
    assert factor(0.0) == math.inf
