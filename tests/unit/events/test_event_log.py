"""The log as the host uses it: it takes what it can, counts what it can't, and never stops the caller."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, Literal

import pytest

from router_core.adapters.events.log import RESERVED, EventLog
from router_core.adapters.events.reader import read
from tests.unit.events.records import outcome, reference


def held(log: EventLog) -> tuple[threading.Event, threading.Event]:
    """Stop the log's thread inside a record: (reached, go on)."""
    reached, resume = threading.Event(), threading.Event()

    class Holding(dict[str, Any]):
        """Encoded like a dict; being asked for its kind afterwards is what holds the thread."""

        def get(self, key: str, default: Any = None) -> Any:
            if threading.current_thread() is not threading.main_thread():
                reached.set()
                assert resume.wait(20)
            return super().get(key, default)

    log.emit(Holding(kind="outcome", time=-1.0))
    return reached, resume


@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
async def test_what_was_emitted_is_there_after_close(
    tmp_path: Path, fsync: Literal["always", "interval", "never"]
) -> None:
    log = EventLog(tmp_path, worker="w0", fsync=fsync)
    for n in range(500):
        log.emit(outcome(n))
    await log.close()
    assert list(read(tmp_path)) == [outcome(n) for n in range(500)]
    assert log.dropped == 0


async def test_a_record_is_readable_while_the_log_is_open(tmp_path: Path) -> None:
    log = EventLog(tmp_path, worker="w0")
    log.emit(outcome(1))
    assert log.flush()
    assert list(read(tmp_path)) == [outcome(1)]
    await log.close()


async def test_a_full_queue_keeps_the_oldest_and_counts_the_newest(tmp_path: Path) -> None:
    log = EventLog(tmp_path, worker="w0", queue_size=10)
    reached, resume = held(log)
    assert reached.wait(20)
    for n in range(25):
        log.emit(outcome(n))
    assert log.dropped == 15
    resume.set()
    await log.close()
    assert [record["time"] for record in read(tmp_path)] == [-1.0, *(float(n) for n in range(10))]
    assert log.dropped == 15


async def test_state_and_policy_still_find_room_in_a_full_queue_but_not_without_end(tmp_path: Path) -> None:
    """A dropped state would make every later decision under it worthless; a flood of states must stay bounded."""
    log = EventLog(tmp_path, worker="w0", queue_size=1)
    reached, resume = held(log)
    assert reached.wait(20)
    log.emit(outcome(1))
    log.emit(outcome(2))
    for n in range(RESERVED + 50):
        log.emit(reference("state", f"s{n}"))
    assert log.dropped == 1 + 50
    resume.set()
    await log.close()
    assert len([record for record in read(tmp_path) if record["kind"] == "state"]) == RESERVED


async def test_after_close_records_are_counted_and_closing_again_is_no_error(tmp_path: Path) -> None:
    log = EventLog(tmp_path, worker="w0")
    log.emit(outcome(1))
    await log.close()
    log.emit(outcome(2))
    log.emit(reference("state", "s"))
    await log.close()
    assert log.dropped == 2
    assert list(read(tmp_path)) == [outcome(1)]


async def test_an_unfit_record_costs_itself_alone(tmp_path: Path) -> None:
    log = EventLog(tmp_path, worker="w0")
    for record in (outcome(1), {"x": object()}, {"x": {1: 2}}, outcome(2)):
        log.emit(record)
    await log.close()
    assert list(read(tmp_path)) == [outcome(1), outcome(2)]
    assert log.dropped == 2


async def test_a_directory_that_cannot_be_written_costs_records_and_one_warning_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread lives on: once the obstacle is gone, records are written again."""
    place = tmp_path / "events"
    place.write_text("a file where the directory should be")
    log = EventLog(place, worker="w0")
    with caplog.at_level(logging.WARNING, "tierwise.events"):
        for n in range(5):
            log.emit(outcome(n))
            log.flush()
    assert log.dropped == 5
    assert len(caplog.records) == 1
    assert str(tmp_path) not in caplog.text
    place.unlink()
    log.emit(outcome(5))
    await log.close()
    assert list(read(place)) == [outcome(5)]
    assert log.dropped == 5


async def test_many_threads_may_emit(tmp_path: Path) -> None:
    log = EventLog(tmp_path, worker="w0", queue_size=100_000, max_bytes=50_000, keep_files=1000)

    def emit(first: int) -> None:
        for n in range(first, first + 1000):
            log.emit(outcome(n))

    threads = [threading.Thread(target=emit, args=(k * 1000,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    await log.close()
    found = list(read(tmp_path))
    assert sorted(int(record["time"]) for record in found) == list(range(4000))
    assert all(record == outcome(int(record["time"])) for record in found)
