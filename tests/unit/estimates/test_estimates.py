"""Estimates follow what is seen, forget at the stated pace, and can't be driven beyond their bounds."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.learning.estimates import (
    ERROR_RATE,
    IDLE_HALF_LIFE_S,
    MAX_MS,
    Estimates,
    Timing,
    fold_idle,
    fold_outcome,
)

numbers = st.floats() | st.sampled_from((0.0, -1.0, 1e300, math.inf, math.nan))
timings = st.builds(
    Timing,
    latency_ms=numbers,
    output_tokens=st.integers(-(2**70), 2**70),
    ttft_ms=st.none() | numbers,
    known_ms=numbers,
    ttft_prior_ms=st.floats(0.0, 1e4),
    decode_prior_ms=st.floats(0.0, 1e3),
)


def folded(times: int, timing: Timing, estimates: Estimates = Estimates()) -> Estimates:  # noqa: B008 - a frozen value
    for _ in range(times):
        estimates = fold_outcome(estimates, ok=True, timing=timing)
    return estimates


def test_a_streamed_answer_teaches_both_speeds() -> None:
    """420 ms in all, 120 to the first token of 31, 20 of them known to be network and prompt."""
    seen = folded(60, Timing(latency_ms=420.0, ttft_ms=120.0, output_tokens=31, known_ms=20.0))
    assert seen.ttft_ms == pytest.approx(100.0, rel=0.02)
    assert seen.decode_ms == pytest.approx(10.0, rel=0.02)
    assert (seen.samples, seen.timed) == (60, 60)


def test_a_whole_answer_teaches_the_sum_and_keeps_the_proportion() -> None:
    """Twice as slow as the priors say: both parts are twice the prior."""
    seen = folded(80, Timing(latency_ms=1000.0, output_tokens=21, ttft_prior_ms=100.0, decode_prior_ms=20.0))
    assert seen.ttft_ms == pytest.approx(200.0, rel=0.02)
    assert seen.decode_ms == pytest.approx(40.0, rel=0.02)


def test_an_answer_of_one_token_says_nothing_about_decoding() -> None:
    seen = folded(3, Timing(latency_ms=50.0, output_tokens=1, ttft_ms=50.0))
    assert seen.decode_ms is None
    assert seen.ttft_ms is not None


def test_one_outlier_is_not_believed() -> None:
    calm = folded(50, Timing(latency_ms=100.0, output_tokens=1, ttft_ms=100.0))
    hit = fold_outcome(calm, ok=True, timing=Timing(latency_ms=60_000.0, output_tokens=1, ttft_ms=60_000.0))
    assert hit.ttft_ms is not None
    assert hit.ttft_ms < 200.0


def test_a_lasting_change_is_believed_within_tens_of_requests() -> None:
    calm = folded(50, Timing(latency_ms=100.0, output_tokens=1, ttft_ms=100.0))
    slow = folded(50, Timing(latency_ms=5_000.0, output_tokens=1, ttft_ms=5_000.0), calm)
    assert slow.ttft_ms == pytest.approx(5_000.0, rel=0.05)


def test_the_error_rate_approaches_the_share_of_failures() -> None:
    chance = random.Random(2)
    estimates, seen = Estimates(), []
    for _ in range(3_000):
        estimates = fold_outcome(estimates, ok=chance.random() > 0.2)
        seen.append(estimates.error_rate)
    assert sum(seen[200:]) / len(seen[200:]) == pytest.approx(0.2, abs=0.02)


def test_the_first_failure_does_not_condemn_and_its_time_is_not_folded() -> None:
    once = fold_outcome(Estimates(), ok=False, timing=Timing(latency_ms=60_000.0, output_tokens=0))
    assert once == Estimates(error_rate=ERROR_RATE, samples=1)


def test_an_idle_target_drifts_back_to_its_priors_so_that_it_is_asked_again() -> None:
    bad = Estimates(ttft_ms=5_100.0, decode_ms=115.0, error_rate=0.8, quality_delta=-0.2, samples=9, timed=9)
    half = fold_idle(bad, idle_s=IDLE_HALF_LIFE_S, ttft_prior_ms=100.0, decode_prior_ms=15.0)
    assert (half.ttft_ms, half.decode_ms, half.error_rate) == (2_600.0, 65.0, 0.4)
    assert (half.quality_delta, half.samples) == (-0.2, 9)
    assert fold_idle(bad, idle_s=-5.0, ttft_prior_ms=100.0, decode_prior_ms=15.0) == bad
    long = fold_idle(bad, idle_s=1e9, ttft_prior_ms=100.0, decode_prior_ms=15.0)
    assert (long.ttft_ms, long.error_rate) == (100.0, 0.0)
    assert fold_idle(Estimates(), idle_s=9.0, ttft_prior_ms=1.0, decode_prior_ms=1.0) == Estimates()


@given(st.lists(st.tuples(st.booleans(), timings), max_size=30))
def test_whatever_is_reported_estimates_stay_finite_and_in_range(reports: list[tuple[bool, Timing]]) -> None:
    estimates = Estimates()
    for ok, timing in reports:
        estimates = fold_outcome(estimates, ok=ok, timing=timing)
        assert 0.0 <= estimates.error_rate <= 1.0
        assert estimates.ttft_ms is None or 0.0 <= estimates.ttft_ms <= MAX_MS
        assert estimates.decode_ms is None or 0.0 <= estimates.decode_ms <= MAX_MS
