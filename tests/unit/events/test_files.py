"""Rotation, retention and failed writes, seen from the directory."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from router_core.adapters.events.file import EventFiles, log_files
from router_core.adapters.events.reader import Damage, find, read, read_file
from router_core.errors import ConfigurationError
from tests.unit.events.records import decision, outcome, reference, writer


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that is full at `size` bytes, as the system itself reports it: the write that crosses it is cut short,
    the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_files_stay_below_the_limit_and_hold_every_record_in_order(tmp_path: Path) -> None:
    log = writer(tmp_path, max_bytes=2_000)
    for n in range(100):
        log.write([outcome(n)])
    assert len(list(tmp_path.iterdir())) > 5
    assert all(path.stat().st_size <= 2_000 for path in tmp_path.iterdir())
    assert list(read(tmp_path)) == [outcome(n) for n in range(100)]


def test_a_batch_longer_than_the_limit_gets_a_file_of_its_own(tmp_path: Path) -> None:
    log = writer(tmp_path, max_bytes=100)
    log.write([outcome(1)])
    log.write([outcome(n) for n in range(2, 20)])
    assert [len(list(read_file(path))) for path in log_files(tmp_path)["w0"]] == [1, 18]


def test_only_the_newest_files_of_a_worker_are_kept(tmp_path: Path) -> None:
    other = writer(tmp_path, "w1", max_bytes=100, keep_files=3)
    other.write([outcome(0)])
    log = writer(tmp_path, max_bytes=100, keep_files=3)
    for n in range(10):
        log.write([outcome(n)])
    kept = log_files(tmp_path)
    assert [len(kept["w0"]), len(kept["w1"])] == [3, 1]
    assert list(read_file(kept["w0"][-1])) == [outcome(9)]


def test_a_kept_decision_still_finds_its_state_and_policy(tmp_path: Path) -> None:
    """They were written once, into a file that retention has deleted long ago."""
    log = writer(tmp_path, max_bytes=1_500, keep_files=2)
    log.write([reference("policy", "p1"), reference("state", "s1"), reference("state", "s2")])
    for n in range(60):
        log.write([decision(n, state=f"s{n % 2 + 1}", policy="p1"), outcome(n)])
    assert log_files(tmp_path)["w0"][0].name != "events-w0-00000000.log"
    kept = [record["request_id"] for record in read(tmp_path) if record["kind"] == "decision"]
    assert len(kept) >= 3
    for request_id in kept:
        found = find(tmp_path, request_id)
        assert found.state == reference("state", f"s{int(request_id[1:]) % 2 + 1}")
        assert found.policy == reference("policy", "p1")


def test_a_file_holds_each_reference_once_and_before_its_first_use(tmp_path: Path) -> None:
    log = writer(tmp_path, max_bytes=3_000)
    log.write([reference("policy", "p1"), reference("state", "s1")])
    for n in range(60):
        log.write(
            [
                reference("state", "s1"),
                decision(n, state="s1", policy="p1"),
                decision(-n, state="s1", policy="p1"),
            ]
        )
    for path in log_files(tmp_path)["w0"]:
        kinds = [record["kind"] for record in read_file(path)]
        assert (kinds.count("state"), kinds.count("policy")) == (1, 1)
        assert set(kinds[2:]) == {"decision"}


def test_a_full_disk_leaves_no_torn_record_and_later_ones_are_written(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write([outcome(n) for n in range(20)])
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    with largest_file(len(before) + 150), pytest.raises(OSError, match="File too large"):
        log.write([outcome(n) for n in range(20, 40)])
    assert path.read_bytes() == before
    log.write([outcome(40)])
    damage = Damage()
    assert list(read(tmp_path, damage)) == [*(outcome(n) for n in range(20)), outcome(40)]
    assert damage == Damage()


def test_references_of_a_failed_batch_are_not_taken_for_written(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.write([outcome(0)])
    with largest_file(200), pytest.raises(OSError, match="File too large"):
        log.write([reference("state", "s1"), reference("policy", "p1"), *(outcome(n) for n in range(20))])
    log.write([decision(1, state="s1", policy="p1")])
    assert find(tmp_path, "r1").state == reference("state", "s1")


def test_a_new_start_leaves_a_torn_tail_behind_and_begins_another_file(tmp_path: Path) -> None:
    writer(tmp_path).write([outcome(1), outcome(2)])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    writer(tmp_path).write([outcome(3)])
    damage = Damage()
    assert list(read(tmp_path, damage)) == [outcome(1), outcome(3)]
    assert damage.frames == 1


def test_two_processes_under_one_name_never_share_a_file(tmp_path: Path) -> None:
    first, second = writer(tmp_path, max_bytes=200), writer(tmp_path, max_bytes=200)
    for n in range(0, 20, 2):
        first.write([outcome(n)])
        second.write([outcome(n + 1)])
    found = [record["time"] for record in read(tmp_path)]
    assert sorted(found) == [float(n) for n in range(20)]


def test_a_deleted_file_is_noticed_at_the_next_sync(tmp_path: Path) -> None:
    """Somebody cleans the directory: without this, records would go on into a file that nobody can open."""
    files = EventFiles(tmp_path, "w0", max_bytes=1000, keep_files=2)
    files.roll()
    files.append(b"x")
    for path in tmp_path.iterdir():
        path.unlink()
    files.sync()
    assert not files.fits(1)


@pytest.mark.parametrize("worker", ["", "../w", "a b", "x" * 65])
def test_a_worker_name_that_is_no_file_name_is_refused_at_start(tmp_path: Path, worker: str) -> None:
    with pytest.raises(ConfigurationError, match="worker"):
        EventFiles(tmp_path, worker, max_bytes=1, keep_files=1)


def test_workers_are_merged_by_time_and_foreign_files_passed_over(tmp_path: Path) -> None:
    for worker, numbers in (("w0", (1, 4, 5)), ("w1", (2, 3, 6))):
        writer(tmp_path, worker).write([outcome(n) for n in numbers])
    (tmp_path / "events-w2-1.log.tmp").write_bytes(b"noise\n")
    (tmp_path / "README").write_bytes(b"noise\n")
    damage = Damage()
    times = [record["time"] for record in read(tmp_path, damage)]
    assert all(a < b for a, b in pairwise(times))
    assert (len(times), damage.frames) == (6, 0)


def test_a_request_is_found_over_all_workers_and_by_its_whole_id(tmp_path: Path) -> None:
    quality = {"kind": "quality", "time": 9.0, "request_id": "r1", "score": 0.5}
    writer(tmp_path, "w0").write(
        [reference("state", "s"), decision(1, state="s", policy="p"), outcome(1), outcome(10)]
    )
    writer(tmp_path, "w1").write([quality, {**outcome(2), "inner": {"request_id": "r1"}}])
    found = find(tmp_path, "r1")
    assert (found.decision, found.outcome, found.qualities) == (
        decision(1, state="s", policy="p"),
        outcome(1),
        (quality,),
    )
    assert (found.state, found.policy) == (reference("state", "s"), None)
    nothing = find(tmp_path, "r99")
    assert (nothing.decision, nothing.outcome, nothing.qualities, nothing.state) == (None, None, (), None)
    assert find(tmp_path / "absent", "r1").decision is None
