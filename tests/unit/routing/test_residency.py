"""When nodes come and go: bounds, cooldown, idleness and no flapping, for any demand."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from router_core.routing.residency import KEPT_MINUTES, Bounds, History, folded, plan, residency

BOUNDS = st.builds(
    lambda low, more, rate, idle, cooldown: Bounds(
        min_nodes=low, max_nodes=low + more, requests_per_min=rate, idle_s=idle, cooldown_s=cooldown
    ),
    st.integers(0, 3),
    st.integers(0, 8),
    st.floats(0.5, 500),
    st.floats(30, 3600),
    st.floats(0, 600),
)
NOW = 1_700_000_000.0
COUNTS = st.lists(st.floats(0, 5000), max_size=KEPT_MINUTES + 1)


def history(counts: list[float], asked_ago: float, changed_ago: float | None = None) -> History:
    minute = int(NOW // 60)
    return History(
        minutes=tuple((minute - i, count) for i, count in reversed([*enumerate(counts)])),
        asked_s=NOW - asked_ago,
        changed_s=None if changed_ago is None else NOW - changed_ago,
    )


@given(BOUNDS, COUNTS, st.floats(0, 5000), st.none() | st.floats(0, 5000), st.integers(0, 20))
def test_a_change_stays_within_the_bounds_and_waits_for_the_cooldown(
    bounds: Bounds, counts: list[float], asked: float, changed: float | None, nodes: int
) -> None:
    action = plan(bounds, history(counts, asked, changed), nodes, NOW)
    if changed is not None and changed < bounds.cooldown_s:
        assert action is None
    if action is None:
        return
    assert bounds.min_nodes <= action.nodes <= bounds.max_nodes
    assert (action.before, action.nodes != nodes) == (nodes, True)
    assert (action.kind == "deploy") == (nodes == 0)
    assert (action.kind == "retire") == (nodes != 0 and action.nodes == 0)


@given(BOUNDS, COUNTS, st.floats(0, 5000), st.integers(0, 10), st.floats(1, 5000))
def test_more_demand_never_means_fewer_nodes(
    bounds: Bounds, counts: list[float], asked: float, nodes: int, more: float
) -> None:
    before = history(counts, asked)
    less, greater = plan(bounds, before, nodes, NOW), plan(bounds, folded(before, more, NOW), nodes, NOW)
    assert (greater.nodes if greater else nodes) >= (less.nodes if less else nodes)


@given(BOUNDS, st.floats(0, 5000), st.integers(0, 10))
def test_a_steady_demand_settles_and_stays(bounds: Bounds, rate: float, nodes: int) -> None:
    """An hour at every half minute: each count is left at most once, and the last half hour changes nothing."""
    bounds = replace(bounds, cooldown_s=min(bounds.cooldown_s, 60.0))
    seen, known, late = [nodes], History(asked_s=NOW), 0
    for step in range(480):
        now = NOW + 30.0 * step
        known = folded(known, rate / 2, now)
        action = plan(bounds, known, nodes, now)
        if action is not None:
            nodes, known = action.nodes, replace(known, changed_s=now)
            seen.append(nodes)
            late += step > 420
    assert late == 0
    assert len(seen) == len(set(seen)) or rate == 0


@given(BOUNDS, COUNTS, st.floats(0, 5000), st.integers(1, 10))
def test_the_last_node_goes_only_when_nobody_asked(
    bounds: Bounds, counts: list[float], asked: float, nodes: int
) -> None:
    action = plan(bounds, history(counts, asked), nodes, NOW)
    if action is not None and action.kind == "retire" and bounds.max_nodes > 0:
        assert asked >= bounds.idle_s


def test_the_first_request_deploys() -> None:
    action = plan(Bounds(), folded(History(asked_s=NOW), 1, NOW), 0, NOW)
    assert action is not None
    assert (action.kind, action.nodes) == ("deploy", 1)


def test_a_model_that_was_never_asked_for_is_given_its_time() -> None:
    assert plan(Bounds(idle_s=60), History(asked_s=NOW), 1, NOW + 59) is None
    action = plan(Bounds(idle_s=60), History(asked_s=NOW), 1, NOW + 60)
    assert action is not None
    assert (action.kind, action.nodes) == ("retire", 0)


@given(COUNTS, st.floats(0, 5000), st.none() | st.floats(0, 5000))
def test_a_history_reads_back(counts: list[float], asked: float, changed: float | None) -> None:
    made = history(counts, asked, changed)
    assert History.decoded(made.encoded()) == made


@given(st.lists(st.tuples(st.floats(0, 7200), st.integers(0, 50)), max_size=40))
def test_a_history_stays_small(asked: list[tuple[float, int]]) -> None:
    known = History(asked_s=NOW)
    for after, count in sorted(asked):
        known = folded(known, count, NOW + after)
        assert len(known.minutes) <= KEPT_MINUTES + 1


def test_words_for_operators() -> None:
    stands = [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert [residency(wanted, running) for wanted, running in stands] == [
        "cold",
        "starting",
        "hot",
        "stopping",
    ]
