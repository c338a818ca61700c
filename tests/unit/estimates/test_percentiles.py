"""Percentiles are within their stated error, whatever the distribution, and add up over streams."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.learning.percentiles import (
    HIGHEST,
    LOWEST,
    RELATIVE_ERROR,
    Percentiles,
    RecentPercentiles,
)

SHARES = (0.0, 0.01, 0.5, 0.95, 0.99, 0.999, 1.0)
TOLERANCE = RELATIVE_ERROR * (1.0 + 1e-9)


def exact(values: list[float], share: float) -> float:
    """The smallest value that `share` of the values don't exceed."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def filled(values: list[float]) -> Percentiles:
    stream = Percentiles()
    for value in values:
        stream.add(value)
    return stream


def check(stream: Percentiles | RecentPercentiles, values: list[float]) -> None:
    for share in SHARES:
        found = stream.quantile(share)
        assert found is not None
        assert abs(found / exact(values, share) - 1.0) <= TOLERANCE, share


@given(st.lists(st.floats(LOWEST, HIGHEST), min_size=1, max_size=300))
def test_every_percentile_is_within_two_per_cent(values: list[float]) -> None:
    check(filled(values), values)


@pytest.mark.parametrize("shape", ["lognormal", "two modes", "constant", "pareto"])
def test_latencies_of_usual_shapes_are_within_two_per_cent(shape: str) -> None:
    chance = random.Random(shape)
    shapes: dict[str, Callable[[], float]] = {
        "lognormal": lambda: chance.lognormvariate(3.0, 1.5),
        "two modes": lambda: chance.gauss(2.0, 0.1) if chance.random() < 0.5 else chance.gauss(900.0, 30.0),
        "constant": lambda: 12.345,
        "pareto": lambda: chance.paretovariate(0.8),
    }
    values = [min(HIGHEST, max(LOWEST, shapes[shape]())) for _ in range(5_000)]
    check(filled(values), values)


@given(st.lists(st.floats(LOWEST, HIGHEST), max_size=50), st.lists(st.floats(LOWEST, HIGHEST), max_size=50))
def test_two_streams_added_up_are_the_stream_of_both(first: list[float], second: list[float]) -> None:
    both = filled(first)
    both.update(filled(second))
    whole = filled(first + second)
    assert both.count == whole.count
    assert [both.quantile(share) for share in SHARES] == [whole.quantile(share) for share in SHARES]


def test_values_out_of_range_count_as_the_bound_and_no_number_not_at_all() -> None:
    stream = filled([0.0, -1.0, -math.inf, math.nan])
    assert (stream.count, stream.quantile(1.0)) == (3, LOWEST)
    assert filled([math.inf, sys.float_info.max]).quantile(0.5) == pytest.approx(HIGHEST, rel=TOLERANCE)


def test_without_values_there_is_no_percentile() -> None:
    assert Percentiles().quantile(0.5) is None
    assert RecentPercentiles(10).quantile(0.5) is None


@given(st.lists(st.floats(LOWEST, HIGHEST), min_size=1, max_size=200), st.integers(1, 30))
def test_recent_percentiles_are_those_of_the_last_values(values: list[float], span: int) -> None:
    stream = RecentPercentiles(span)
    for value in values:
        stream.add(value)
    assert min(span, len(values)) <= stream.count <= 2 * span
    check(stream, values[-stream.count :])


def test_memory_does_not_grow_with_the_values() -> None:
    stream = filled([chance * 1.7 + 0.01 for chance in range(20_000)])
    assert len(stream._counts) < 600
