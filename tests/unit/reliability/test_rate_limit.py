"""The sliding window's transitions, against a list of everything that ever happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router_core.reliability.rate_limit import EMPTY, WINDOW_S, charge, current, refund, wait_s

steps = st.lists(st.tuples(st.floats(0.0, 40.0), st.integers(0, 12)), max_size=80)


@given(steps=steps, limit=st.integers(0, 30), start=st.floats(0.0, 1e6))
def test_no_sliding_window_holds_more_than_the_limit(
    steps: list[tuple[float, int]], limit: int, start: float
) -> None:
    window, now, admitted = EMPTY, start, list[tuple[float, int]]()
    for pause, amount in steps:
        now += pause
        window = current(window, now)
        if wait_s(window, limit, amount, now) == 0.0:
            window = charge(window, amount, now)
            admitted.append((now, amount))
        in_window = sum(size for at, size in admitted if at > now - WINDOW_S)
        assert in_window <= limit
        assert window.total == sum(size for _, size in window.slots)
        assert len(window.slots) <= WINDOW_S + 1


@given(steps=steps, limit=st.integers(1, 30), amount=st.integers(0, 30))
def test_the_wait_admits_and_nothing_much_shorter_does(
    steps: list[tuple[float, int]], limit: int, amount: int
) -> None:
    window, now = EMPTY, 1000.25
    for pause, size in steps:
        now += pause / 10
        window = charge(current(window, now), min(size, limit), now)
    window = current(window, now)
    wait = wait_s(window, limit, min(amount, limit), now)
    later = now + wait
    assert wait_s(current(window, later), limit, min(amount, limit), later) == 0.0
    if wait:
        sooner = later - 0.01
        assert wait_s(current(window, sooner), limit, min(amount, limit), sooner) > 0.0


@given(steps=steps, second=st.integers(0, 120), amount=st.integers(0, 50))
def test_a_refund_takes_from_its_own_second_only_and_never_below_zero(
    steps: list[tuple[float, int]], second: int, amount: int
) -> None:
    window, now = EMPTY, 0.0
    for pause, size in steps:
        now += pause
        window = charge(current(window, now), size, now)
    refunded = refund(window, second, amount)
    assert refunded.total == sum(size for _, size in refunded.slots)
    before, after = dict(window.slots), dict(refunded.slots)
    held = before.pop(second, 0)
    assert after.pop(second, 0) == max(0, held - amount)
    assert after == before


def test_a_clock_that_goes_back_gives_no_free_room() -> None:
    window = charge(charge(EMPTY, 5, 100.0), 5, 40.0)
    assert window.slots == ((100, 10),)
    assert wait_s(current(window, 40.0), 10, 1, 40.0) > 60.0
