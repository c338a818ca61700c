"""Percentiles, ratios and verdicts are what they say: a benchmark with wrong arithmetic would judge wrongly for years."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Section, Table, added, percentile, shown, slope
from benchmarks.gateway import Round, cpu_us, times, window_s
from benchmarks.goals import GOALS, Goal, judged
from benchmarks.load import Load, body, content_length, read_result
from benchmarks.report import page, renewed

LOAD = Load(requests=3000, seconds=3.0, p50_us=100.0, p99_us=900.0)


def rounds(*cpu: float) -> list[Round]:
    return [Round(load=LOAD, cpu_us=value) for value in cpu]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.floats(0.001, 1.0))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values) + 1e-9


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.5)])
def test_a_percentile_of_nothing_or_beyond_all_is_an_error(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


def test_added_latency_compares_within_a_round_so_that_a_slow_round_cancels_out() -> None:
    assert added([110.0, 1010.0, 120.0], [100.0, 1000.0, 105.0]) == 10.0


def test_cost_per_extra_thousand_leaves_out_what_every_text_costs() -> None:
    assert slope((1, 50.0), (21, 450.0)) == 20.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.061234, "0.0612"),
        (3.14159, "3.14"),
        (94.4, "94.4"),
        (1234.5, "1,234"),
        (float("nan"), "-"),
    ],
)
def test_numbers_are_shown_with_three_digits_that_mean_something(value: float, text: str) -> None:
    assert shown(value) == text


def test_ratios_are_taken_within_rounds_and_their_median_counts() -> None:
    ours, theirs = rounds(200.0, 400.0, 250.0), rounds(2000.0, 4400.0, 2250.0)
    assert times(ours, theirs) == 10.0
    assert cpu_us(ours) == 250.0


@pytest.mark.parametrize(("rate", "seconds"), [(20_000.0, 3), (100.0, 7), (5.0, 20)])
def test_a_slow_gateway_gets_a_longer_window_within_bounds(rate: float, seconds: int) -> None:
    assert window_s(rate, 32, 3) == seconds


def test_a_goal_is_met_at_its_limit_and_missed_beyond_it() -> None:
    most = Goal(key="a", text="", limit=10, unit="x")
    least = Goal(key="b", text="", limit=10, unit="x", at_least=True)
    assert (most.met(10), most.met(10.1), most.met(9)) == (True, False, True)
    assert (least.met(10), least.met(9.9), least.met(11)) == (True, False, True)


def test_a_figure_that_was_not_taken_is_never_reported_as_met() -> None:
    verdicts = {row[0]: row[3] for row in judged({}).rows}
    assert set(verdicts.values()) == {"not measured"}
    assert len(verdicts) == len(GOALS)


def test_the_page_names_missed_goals_and_what_was_skipped() -> None:
    table = Table(title="One", header=("what", "value"), rows=(("x", "1"),), note="A note.")
    section = Section(
        name="s", tables=(table,), figures={"gateway_cpu": 1000.0}, skipped=("nginx: not here",)
    )
    text = page([section], "python -m benchmarks", [("CPU", "one")])
    assert "| <= 250 us | 1,000 us | **not met** |" in text
    assert "## One\n\nA note.\n\n| what | value |\n| --- | --- |\n| x | 1 |" in text
    assert "Skipped: nginx: not here" in text
    assert "- CPU: one" in text


def test_the_load_generators_result_is_found_among_its_other_output() -> None:
    line = 'RESULT {"requests":10,"wall_us":1,"failed":0,"p50_us":1.0,"p99_us":2.0}'
    assert read_result(f"Running 1s test\n{line}\n")["requests"] == 10
    with pytest.raises(RuntimeError, match="unable to connect"):
        read_result("unable to connect to 127.0.0.1")


def test_every_request_is_json_of_the_promised_size_and_differs_from_the_one_before() -> None:
    first, second = body("seed", 1, ',"temperature":0'), body("seed", 2, ',"temperature":0')
    assert first != second
    assert json.loads(first)["temperature"] == 0
    assert 200 <= len(first) <= 300


def test_a_head_without_a_length_is_an_error_not_an_endless_wait() -> None:
    assert content_length(b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\nx: y") == 42
    with pytest.raises(ValueError, match="content-length"):
        content_length(b"HTTP/1.1 200 OK\r\nx: y")


def test_sections_that_are_measured_again_leave_the_others_and_their_goals_as_they_were() -> None:
    where = (("date", "then"),)
    one = Section(
        name="one", tables=(Table(title="One", header=("a",), rows=(("1",),)),), figures={"help": 0.1}
    )
    two = Section(
        name="two", tables=(Table(title="Two", header=("b",), rows=(("2",),)),), figures={"ready": 1.0}
    )
    again = Section(
        name="two", tables=(Table(title="Two", header=("b",), rows=(("3",),)),), figures={"ready": 9.0}
    )
    old = page([one, two], "make bench", where)
    new = renewed(old, page([again], "later", where))
    assert new == page([one, again], "make bench", where)
    assert renewed(page([one], "make bench", where), page([again], "later", where)) == new
