"""The breaker opens when it must, lets one trial through, and closes on success."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router_core.policy.document import Breaker
from router_core.reliability.breaker import (
    CLOSED,
    MAX_SAMPLES,
    BreakerState,
    abandoned,
    admit,
    failure,
    phase,
    success,
)

POLICY = Breaker(failures=3, error_rate=0.5, min_samples=10, open_ms=5000.0)
results = st.lists(st.booleans(), max_size=60)


def after(
    outcomes: str, policy: Breaker = POLICY, state: BreakerState = CLOSED, now_s: float = 0.0
) -> BreakerState:
    """The state after results such as "+-+", all at one time."""
    for outcome in outcomes:
        state = (success if outcome == "+" else failure)(state, policy, now_s)
    return state


def test_so_many_failures_in_a_row_open_and_one_less_does_not() -> None:
    assert phase(after("+++--"), POLICY, 0.0) == "closed"
    assert phase(after("+++---"), POLICY, 0.0) == "open"
    assert phase(after("--+--+--"), POLICY, 0.0) == "closed"


def test_an_error_rate_opens_only_over_enough_samples() -> None:
    assert phase(after("-+-+-+-+-"), POLICY, 0.0) == "closed"
    assert phase(after("+-+-+-+-+-"), POLICY, 0.0) == "open"


def test_old_results_leave_the_error_rate() -> None:
    """Four failures among the last ten aren't half of them, however many there were before."""
    assert phase(after("-+-+-+-+" + "+" * 10 + "--+--+"), POLICY, 0.0) == "closed"


@given(outcomes=results, failures=st.integers(1, 6), samples=st.integers(1, 20), rate=st.floats(0.05, 1.0))
def test_it_opens_exactly_when_the_rule_says(
    outcomes: list[bool], failures: int, samples: int, rate: float
) -> None:
    """Against the rule written out over the whole list of results."""
    policy = Breaker(failures=failures, error_rate=rate, min_samples=samples)
    state = CLOSED
    for n, good in enumerate(outcomes, start=1):
        state = (success if good else failure)(state, policy, 0.0)
        recent = outcomes[max(0, n - samples) : n]
        in_a_row = n >= failures and not any(outcomes[n - failures : n])
        ill = len(recent) == samples and recent.count(False) / samples >= rate
        assert (phase(state, policy, 0.0) == "open") == (not good and (in_a_row or ill))
        if state.opened_s is not None:
            return


def test_open_admits_nobody_until_its_time_then_one_at_a_time() -> None:
    opened = after("---", now_s=100.0)
    assert admit(opened, POLICY, 104.9) is None
    assert phase(opened, POLICY, 105.0) == "half_open"
    trial = admit(opened, POLICY, 105.0)
    assert trial is not None
    assert admit(trial, POLICY, 106.0) is None


def test_a_good_trial_closes_and_a_bad_one_opens_for_the_whole_time_again() -> None:
    trial = admit(after("---", now_s=100.0), POLICY, 105.0)
    assert trial is not None
    assert success(trial, POLICY, 106.0) == CLOSED
    again = failure(trial, POLICY, 106.0)
    assert phase(again, POLICY, 110.9) == "open"
    assert phase(again, POLICY, 111.0) == "half_open"


def test_a_trial_that_was_cancelled_or_lost_does_not_block_for_ever() -> None:
    trial = admit(after("---", now_s=100.0), POLICY, 105.0)
    assert trial is not None
    assert admit(abandoned(trial), POLICY, 105.1) is not None
    assert admit(trial, POLICY, 109.9) is None
    assert admit(trial, POLICY, 110.0) is not None
    assert abandoned(CLOSED) is CLOSED


def test_late_results_of_older_calls_do_not_move_an_open_breaker() -> None:
    opened = after("---", now_s=100.0)
    assert success(opened, POLICY, 101.0) == opened
    assert failure(opened, POLICY, 102.0) == opened


@given(outcomes=st.lists(st.tuples(st.sampled_from("+-?a"), st.floats(0.0, 3.0)), max_size=60))
def test_closed_always_admits_and_open_never(outcomes: list[tuple[str, float]]) -> None:
    state, now = CLOSED, 0.0
    for act, pause in outcomes:
        now += pause
        admitted = admit(state, POLICY, now)
        match phase(state, POLICY, now):
            case "closed":
                assert admitted is state
            case "open":
                assert admitted is None
            case "half_open":
                assert admitted is None or admitted.probe_s == now
        if act == "a":
            state = abandoned(state)
        elif act == "?":
            state = admitted or state
        else:
            state = (success if act == "+" else failure)(state, POLICY, now)


def test_memory_is_bounded_whatever_the_policy_says() -> None:
    policy = Breaker(failures=10**9, error_rate=1.0, min_samples=10**9)
    state = after("-+" * MAX_SAMPLES, policy)
    assert state.samples == MAX_SAMPLES
    assert state.history.bit_length() <= MAX_SAMPLES


def test_a_healthy_target_costs_no_new_state() -> None:
    state = after("+" * 10)
    assert success(state, POLICY, 1.0) is state
