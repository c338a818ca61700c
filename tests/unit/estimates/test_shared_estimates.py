"""What all gateways learned together: folded once, merged in any order, blended with what one gateway saw itself."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.adapters.memory.state import MemoryStateStore
from router_core.adapters.system_clock import SystemClock
from router_core.learning.estimates import QUALITY_BOUND, Estimates
from router_core.learning.shared_estimates import (
    CONVINCED,
    UNSEEN,
    SharedEstimates,
    blend,
    estimates_key,
    fold_records,
    from_value,
    load,
    merge,
    to_value,
    touched,
)
from tests.unit.hosts.stream import NOON, failure, feedback, outcome

EDGE = "mec/edge-a"
milliseconds = st.none() | st.floats(0.0, 1e5)
views = st.builds(
    lambda ttft, decode, rate, samples, timed, score, judged: SharedEstimates(
        estimates=Estimates(ttft_ms=ttft, decode_ms=decode, error_rate=rate, samples=samples, timed=timed),
        score=score,
        judged=judged,
    ),
    milliseconds, milliseconds, st.floats(0.0, 1.0), st.integers(0, 10**6), st.integers(0, 10**6),
    st.none() | st.floats(0.0, 1.0), st.integers(0, 10**6),
)  # fmt: skip


def test_attempts_and_judgements_are_folded_for_their_own_target() -> None:
    records = (
        [outcome(n) for n in range(100)] + [failure(n, "cloud/nova") for n in range(50)] + [feedback(1, 0.2)]
    )
    learned = fold_records({}, records)
    assert set(learned) == touched(records) == {EDGE, "cloud/nova"}
    assert learned[EDGE].estimates.ttft_ms == pytest.approx(20.0, rel=0.01)
    assert learned[EDGE].estimates.error_rate == 0.0
    assert learned[EDGE].score == pytest.approx(0.2)
    assert learned["cloud/nova"].estimates.error_rate > 0.9
    assert learned["cloud/nova"].estimates.ttft_ms is None


def test_folding_goes_on_from_what_was_known() -> None:
    records: list[dict[str, Any]] = [outcome(n) for n in range(40)]
    first = fold_records({}, records[:20])
    assert fold_records(first, records[20:]) == fold_records({}, records)


def test_late_records_change_little() -> None:
    """In whatever order they come, estimates stay near what the records say."""
    records: list[dict[str, Any]] = [outcome(n, time=NOON + n) for n in range(300)]
    random.Random(3).shuffle(records)
    known: dict[str, SharedEstimates] = {}
    for start in range(0, 300, 30):
        known |= fold_records(known, records[start : start + 30])
    assert known[EDGE].estimates.ttft_ms == pytest.approx(20.0, rel=0.01)


@given(views, views)
def test_merging_does_not_ask_who_comes_first(one: SharedEstimates, two: SharedEstimates) -> None:
    left, right = merge(one, two), merge(two, one)
    assert left.estimates.samples == right.estimates.samples
    assert left.judged == right.judged
    assert left.estimates.error_rate == pytest.approx(right.estimates.error_rate)
    assert left.score == pytest.approx(right.score) if right.score is not None else left.score is None


@given(views)
def test_merging_with_nothing_changes_nothing(view: SharedEstimates) -> None:
    both = merge(view, UNSEEN)
    assert both.score == view.score
    assert both.estimates.ttft_ms == view.estimates.ttft_ms
    assert both.estimates.samples == view.estimates.samples


@given(views)
def test_a_value_reads_back_as_it_was(view: SharedEstimates) -> None:
    assert from_value(to_value(view)) == view


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b'{"estimates": {"x": 1}, "score": null, "judged": 0}'])
def test_what_is_no_estimate_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):
        from_value(value)


@given(views, st.integers(0, 3 * CONVINCED))
def test_what_a_gateway_saw_itself_never_counts_for_less_than_half(
    view: SharedEstimates, samples: int
) -> None:
    own = Estimates(ttft_ms=100.0, decode_ms=10.0, samples=samples, timed=samples, judged=samples)
    both = blend(own, view, quality_prior=0.7)
    others = view.estimates.ttft_ms
    if others is None:
        assert both.ttft_ms == 100.0
    elif samples >= CONVINCED:
        assert both.ttft_ms == pytest.approx((100.0 + others) / 2)
    assert abs(both.quality_delta) <= QUALITY_BOUND
    assert both.samples == samples


def test_a_gateway_that_saw_nothing_takes_over_what_others_know() -> None:
    shared = SharedEstimates(
        estimates=Estimates(ttft_ms=80.0, decode_ms=9.0, error_rate=0.4, samples=900), score=0.2, judged=450
    )
    both = blend(Estimates(), shared, quality_prior=0.4)
    assert (both.ttft_ms, both.decode_ms, both.error_rate) == (80.0, 9.0, 0.4)
    assert both.quality_delta == pytest.approx(-0.18)


async def test_loading_leaves_out_what_is_not_there_or_not_readable() -> None:
    store = MemoryStateStore(SystemClock())
    await store.put(estimates_key("a"), to_value(UNSEEN))
    await store.put(estimates_key("b"), b"not ours")
    assert await load(store, ["a", "b", "c"]) == {"a": UNSEEN}
