"""Numbers of several workers add up, and survive the way through files."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from router_core.adapters.snapshot_files import FRESH_S, SnapshotFiles
from router_core.monitor_merge import EMPTY_HISTOGRAM, from_record, merge, to_record
from tests.unit.events.snapshots import SetClock, snapshot, target


def test_counters_and_histograms_of_two_workers_are_those_of_one_with_all_the_work() -> None:
    assert merge((snapshot(times=1), snapshot(times=2))) == snapshot(times=3)
    other = replace(snapshot(), requests={("device", "d", "completed"): 1}, ttft={"d": snapshot().overhead})
    both = merge((snapshot(), other))
    assert both.requests == {**snapshot().requests, **other.requests}
    assert both.ttft == {**snapshot().ttft, **other.ttft}


def test_nothing_adds_up_to_zeros() -> None:
    zero = merge(())
    assert (zero.requests, zero.handoffs, zero.decision, zero.targets) == ({}, 0, EMPTY_HISTOGRAM, ())


def test_a_target_is_up_if_any_worker_reaches_it_and_its_worst_percentile_is_shown() -> None:
    busy = target(
        up=False, inflight=5, p50_ms=50.0, p99_ms=90.0, error_rate=0.4, requests_per_s=3.0, anomaly="latency"
    )
    merged = merge((snapshot(targets=(target("mec/z"), target())), snapshot(targets=(busy,)))).targets
    assert [view.target for view in merged] == ["mec/a", "mec/z"]
    both = merged[0]
    assert (both.up, both.inflight, both.p50_ms, both.p95_ms, both.p99_ms) == (True, 7, 50.0, 20.0, 90.0)
    assert (both.requests_per_s, both.anomaly) == (4.0, "latency")
    assert both.error_rate == pytest.approx((0.1 * 1.0 + 0.4 * 3.0) / 4.0)


def test_without_traffic_the_higher_error_rate_is_shown() -> None:
    idle = [snapshot(targets=(target(error_rate=rate, requests_per_s=0.0),)) for rate in (0.2, 0.6)]
    assert merge(idle).targets[0].error_rate == 0.6


def test_a_snapshot_survives_json_with_and_without_targets() -> None:
    whole = snapshot(targets=(target(), target("mec/b", anomaly="errors")))
    assert from_record(json.loads(json.dumps(to_record(whole)))) == whole
    assert from_record(json.loads(json.dumps(whole.as_record()))) == replace(whole, targets=())


@pytest.mark.parametrize(
    "change",
    [{"requests": [[1]]}, {"requests": None}, {"ttft": []}, {"decision": [[1, 2], 0.0]}, {"handoffs": "x"}, {"targets": [{}]},
     {"overhead": [[1e400] * 20, 0.0]}],
)  # fmt: skip
def test_what_is_no_snapshot_is_a_value_error(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a monitor snapshot"):
        from_record({**to_record(snapshot()), **change})


def workers(directory: Path, clock: SetClock) -> tuple[SnapshotFiles, SnapshotFiles]:
    return SnapshotFiles(directory, "w0-1", clock), SnapshotFiles(directory, "w1-2", clock)


def test_a_worker_reads_the_others_and_not_itself(tmp_path: Path) -> None:
    first, second = workers(tmp_path / "run", SetClock())
    assert first.read_others() == ()
    first.write(snapshot(times=1))
    second.write(snapshot(times=2, targets=(target(),)))
    assert first.read_others() == (snapshot(times=2, targets=(target(),)),)
    assert second.read_others() == (snapshot(times=1),)


def test_of_a_worker_that_is_gone_the_counters_stay_and_the_gauges_go(tmp_path: Path) -> None:
    """A sum that fell would be taken for a restart and counted twice."""
    clock = SetClock()
    first, second = workers(tmp_path, clock)
    second.write(snapshot(targets=(target(),)))
    clock.time_s += FRESH_S
    assert first.read_others()[0].targets == (target(),)
    clock.time_s += 0.5
    assert first.read_others() == (snapshot(),)


def test_broken_files_are_passed_over(tmp_path: Path) -> None:
    first, second = workers(tmp_path, SetClock())
    second.write(snapshot())
    for name, body in (
        ("a", b""),
        ("b", b"{"),
        ("c", b"[]"),
        ("d", b'{"time": 1, "snapshot": {}}'),
        ("e", b'{"time": "x"}'),
    ):
        (tmp_path / f"worker-{name}.json").write_bytes(body)
    os.mkfifo(tmp_path / "other.json")
    assert first.read_others() == (snapshot(),)


def test_writing_leaves_one_whole_file_and_clearing_none(tmp_path: Path) -> None:
    first, second = workers(tmp_path, SetClock())
    for times in range(5):
        second.write(snapshot(times=times))
    assert [path.name for path in tmp_path.iterdir()] == ["worker-w1-2.json"]
    first.clear()
    assert list(tmp_path.iterdir()) == []
