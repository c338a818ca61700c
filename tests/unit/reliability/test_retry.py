"""Waits between attempts on one target: full jitter within bounds, and respect for retry-after."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.policy.document import Retry
from router_core.reliability.retry import delay_ms, schedule

POLICY = Retry(attempts_per_target=5, base_ms=40.0, cap_ms=200.0, max_retry_after_ms=5000.0)
draws = st.floats(0.0, 1.0, exclude_max=True)


@given(failures=st.integers(1, 4), draw=draws)
def test_the_wait_lies_below_the_doubling_bound_and_the_cap(failures: int, draw: float) -> None:
    wait = delay_ms(POLICY, failures, draw)
    assert wait is not None
    assert wait == pytest.approx(draw * min(200.0, 40.0 * 2 ** (failures - 1)))


def test_full_jitter_uses_the_whole_range() -> None:
    assert delay_ms(POLICY, 3, 0.0) == 0.0
    assert delay_ms(POLICY, 3, 0.5) == 80.0
    assert delay_ms(POLICY, 4, 0.5) == 100.0


def test_after_the_last_attempt_there_is_no_wait_but_an_end() -> None:
    assert delay_ms(POLICY, 5, 0.5) is None
    assert delay_ms(POLICY, 0, 0.5) is None
    assert delay_ms(Retry(attempts_per_target=1), 1, 0.5) is None


@given(asked_s=st.floats(0.001, 10.0), draw=draws, failures=st.integers(1, 4))
def test_a_target_is_never_asked_before_the_time_it_named(asked_s: float, draw: float, failures: int) -> None:
    wait = delay_ms(POLICY, failures, draw, asked_s)
    if asked_s * 1000.0 > POLICY.max_retry_after_ms:
        assert wait is None
    else:
        assert wait is not None
        assert asked_s * 1000.0 <= wait <= POLICY.max_retry_after_ms


@pytest.mark.parametrize("asked_s", [math.nan, -5.0, 0.0, None])
def test_what_is_no_time_to_wait_was_not_asked(asked_s: float | None) -> None:
    assert delay_ms(POLICY, 1, 0.5, asked_s) == 20.0


def test_a_target_that_asks_for_ever_is_given_up() -> None:
    assert delay_ms(POLICY, 1, 0.5, math.inf) is None


def test_huge_numbers_in_the_policy_overflow_nothing() -> None:
    wait = delay_ms(Retry(attempts_per_target=10**9, base_ms=1e9, cap_ms=1e9), 10**8, 0.5)
    assert wait == 5e8


def test_a_schedule_has_one_wait_less_than_attempts() -> None:
    assert schedule(POLICY, [0.5] * 9) == (20.0, 40.0, 80.0, 100.0)
    assert schedule(POLICY, [0.5]) == (20.0,)
