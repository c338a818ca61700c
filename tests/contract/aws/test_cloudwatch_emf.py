"""EMF documents against the rules that CloudWatch publishes for them, and figures against the records they came from."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import statistics
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from router_core.adapters.aws.cloudwatch_emf import (
    KEPT,
    MAX_SETS,
    VALUES,
    EmfEventSink,
    EmfFigures,
    Spread,
    to_line,
    write_to,
)
from router_core.deployment import DIMENSIONS, METRICS, NAMESPACE
from router_core.errors import ConfigurationError
from router_core.learning.event_figures import Measured, measure
from router_core.learning.interval_figures import interval_figures
from router_core.monitor_merge import EMPTY_HISTOGRAM
from router_core.monitoring import SECONDS_BUCKETS, Histogram, MonitorSnapshot
from tests.unit.hosts.stream import NOON, failure, feedback, outcome

UNITS = {"Milliseconds", "Count", "None"}


def assert_valid(line: bytes) -> dict[str, Any]:
    """The published structure: metadata, one directive, at most 100 metrics and 30 dimensions, every named member
    there with the right type, at most 100 values per metric, below 1 MB; and one write of a pipe."""
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert len(line) <= 4_096
    made: dict[str, Any] = json.loads(line)
    assert isinstance(made["_aws"]["Timestamp"], int)
    (directive,) = made["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == NAMESPACE and 1 <= len(NAMESPACE) <= 1_024
    assert len(directive["Metrics"]) <= 100
    for names in directive["Dimensions"]:
        assert tuple(names) in DIMENSIONS and len(names) <= 30
        assert all(isinstance(made[name], str) and 1 <= len(made[name]) <= 1_024 for name in names)
    for metric in directive["Metrics"]:
        assert metric["Name"] in METRICS and metric["Unit"] in UNITS
        value = made[metric["Name"]]
        values = value if isinstance(value, list) else [value]
        assert 0 < len(values) <= 100
        assert all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    named = {metric["Name"] for metric in directive["Metrics"]}
    assert set(made) == {"_aws", *directive["Dimensions"][0], *named}
    return made


def documents(figures: EmfFigures) -> dict[tuple[str, ...], dict[str, Any]]:
    made = [assert_valid(to_line(one)) for one in figures.documents(NOON)]
    return {
        tuple(one[name] for name in one["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]): one for one in made
    }


def figures_of(*records: Mapping[str, Any]) -> EmfFigures:
    figures = EmfFigures("dev")
    for record in records:
        for measured in measure(record):
            figures.add(measured)
    return figures


def test_records_become_one_document_per_set_of_dimensions() -> None:
    found = documents(figures_of(outcome(1), outcome(2), failure(3), outcome(4, "cloud/nova", cache="hit")))
    assert set(found) == {
        ("dev",), ("dev", "mec"), ("dev", "mec", "mec/edge-a"), ("dev", "cloud"), ("dev", "cloud", "cloud/nova"),
    }  # fmt: skip
    assert found["dev",]["Requests"] == 4.0
    mec = found["dev", "mec"]
    assert (mec["Requests"], mec["Errors"], mec["Tokens"], mec["CacheHits"]) == (3.0, 1.0, 45.0, 0.0)
    assert mec["LatencyMs"] == [100.0, 100.0]
    assert mec["DecisionAccuracy"] == [0.0, 1.0, 1.0]
    assert found["dev", "cloud"]["CacheHits"] == 1.0
    assert "DecisionAccuracy" not in found["dev", "cloud"]


def test_what_no_target_served_is_known_by_the_environment_alone() -> None:
    refusal = {"kind": "decision", "time": NOON, "request_id": "r", "chosen": None, "outcome": "no_capacity"}
    policy = {"kind": "policy_refused", "time": NOON, "source": "file", "stays": "default@1"}
    found = documents(figures_of(refusal, policy, feedback(1, 0.5, "edge")))
    assert set(found) == {("dev",)}
    assert (found["dev",]["Refusals"], found["dev",]["Feedback"]) == (1.0, [0.5])
    assert "PolicyRefused" not in found["dev",]


@pytest.mark.parametrize("seed", range(5))
def test_any_traffic_gives_valid_documents(seed: int) -> None:
    chance = random.Random(seed)
    records = [
        chance.choice((outcome, failure))(
            n,
            f"{chance.choice(('mec', 'cloud', 'device'))}/{'t' * chance.randint(1, 100)}",
            latency_ms=chance.lognormvariate(5.0, 2.0),
            cost_usd=chance.random() / 3.0,
        )
        for n in range(500)
    ]
    found = documents(figures_of(*records))
    assert found["dev",]["Requests"] == 500.0
    assert found["dev",]["CostUsd"] == pytest.approx(sum(record["cost_usd"] for record in records), rel=1e-5)


def test_many_values_are_told_by_a_few_that_keep_mean_and_percentiles() -> None:
    chance = random.Random(7)
    spread, values = Spread(), [chance.lognormvariate(4.0, 0.5) for _ in range(20 * KEPT)]
    for value in values:
        spread.add(value)
    told = spread.values()
    assert len(told) == VALUES
    assert statistics.mean(told) == pytest.approx(statistics.mean(values), rel=0.05)
    assert statistics.median(told) == pytest.approx(statistics.median(values), rel=0.05)
    assert told[int(VALUES * 0.95)] == pytest.approx(statistics.quantiles(values, n=20)[-1], rel=0.1)


def test_few_values_are_told_as_they_are() -> None:
    spread = Spread()
    for value in (3.0, 1.0, 2.0):
        spread.add(value)
    assert spread.values() == [1.0, 2.0, 3.0]


def test_nonsense_targets_are_bounded() -> None:
    figures = EmfFigures("dev")
    for n in range(1_000):
        figures.add(Measured(time_s=NOON, tier="mec", target=f"mec/{n}", values=(("Requests", 1.0),)))
    found = documents(figures)
    assert len(found) == MAX_SETS
    assert found["dev",]["Requests"] == 1_000.0


def snapshot(dropped: int, refused: int, counts: Mapping[int, int]) -> MonitorSnapshot:
    row = tuple(counts.get(i, 0) for i in range(len(SECONDS_BUCKETS) + 1))
    return MonitorSnapshot(
        requests={}, fallbacks={}, handoffs=0, cost_usd={}, tokens={}, cache={}, ttft={}, targets=(),
        decision=Histogram(counts=row, total_s=1.0), overhead=EMPTY_HISTOGRAM,
        events_dropped=dropped, policy_refused=refused,
    )  # fmt: skip


def test_a_process_tells_what_changed_since_the_last_interval() -> None:
    before, now = snapshot(3, 1, {0: 5}), snapshot(7, 1, {0: 7, 2: 1})
    assert interval_figures(before, now) == [
        ("EventsDropped", 4.0), ("PolicyRefused", 0.0), ("DecisionMs", 0.05), ("DecisionMs", 0.05), ("DecisionMs", 0.25),
    ]  # fmt: skip
    assert interval_figures(None, before)[0] == ("EventsDropped", 3.0)


class Lines:
    """Where a sink writes; `fail` refuses so many first."""

    def __init__(self, fail: int = 0) -> None:
        self.lines: list[bytes] = []
        self.written = threading.Event()
        self.fail = fail

    def __call__(self, line: bytes) -> None:
        if self.fail:
            self.fail -= 1
            raise OSError("the agent is away")
        self.lines.append(line)
        self.written.set()


async def test_the_sink_writes_per_interval_not_per_request() -> None:
    out = Lines()
    sink = EmfEventSink("dev", out, interval_s=3_600.0)
    for n in range(1_000):
        sink.emit(outcome(n))
    sink.emit({"kind": "outcome"})
    await sink.close()
    found = [assert_valid(line) for line in out.lines]
    assert len(found) == 3
    assert [one["Requests"] for one in found] == [1_000.0] * 3
    assert sink.dropped == 1


async def test_an_interval_passes_by_itself_and_asks_the_process() -> None:
    out = Lines()
    sink = EmfEventSink("dev", out, interval_s=0.05)
    sink.watch(lambda: [("EventsDropped", 2.0)])
    assert await asyncio.to_thread(out.written.wait, 10.0)
    await sink.close()
    assert assert_valid(out.lines[-1])["EventsDropped"] == 2.0


async def test_an_agent_that_is_away_costs_an_interval_and_no_more() -> None:
    out = Lines(fail=1)
    sink = EmfEventSink("dev", out, interval_s=0.05)
    sink.watch(lambda: [("EventsDropped", 0.0)])
    assert await asyncio.to_thread(out.written.wait, 10.0)
    await sink.close()
    assert sink.dropped == 1


def test_lines_reach_an_agent_by_datagram_and_by_stream() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(10.0)
        write_to(f"udp://127.0.0.1:{agent.getsockname()[1]}")(b"one\n")
        assert agent.recv(100) == b"one\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10.0)
        write_to(f"tcp://127.0.0.1:{server.getsockname()[1]}")(b"two\n")
        connection, _ = server.accept()
        with connection:
            assert connection.recv(100) == b"two\n"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "tcp://127.0.0.1", "25888", "udp://:25888"])
def test_another_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigurationError):
        write_to(endpoint)


def test_standard_output_gets_whole_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_to(None)(b'{"a": 1}\n')
    assert capfdbinary.readouterr().out == b'{"a": 1}\n'
