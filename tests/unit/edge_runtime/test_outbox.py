"""The outbox: nothing lost, nothing twice, bounded, in order; also over a kill at any moment."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.engines.owner import OwnerThread
from edge_runtime.sdk.courier import Courier
from edge_runtime.sdk.errors import DeclinedError, OfflineError
from edge_runtime.sdk.link import Said
from edge_runtime.sdk.outbox import FullError, Item, Outbox


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def report(number: int, size: int = 0) -> Item:
    return Item(id=f"rep_{number:08d}", kind="report", body={"id": f"rep_{number:08d}", "pad": "x" * size})


def request(number: int, session: str | None = None) -> Item:
    return Item(id=f"dev_{number:08d}", kind="request", body={"n": number}, session=session)


class Counting:
    """A gateway that takes each id once, and fails now and then: before it took anything, or after."""

    def __init__(self, seed: int, failing: float) -> None:
        self._chance, self._failing = random.Random(seed), failing
        self.taken: list[str] = []
        self.batches: list[int] = []
        self.refuses: set[str] = set()

    async def send(
        self, path: str, body: dict[str, Any], *, timeout_s: float, idempotency_key: str | None = None
    ) -> Said:
        draw = self._chance.random()
        if draw < self._failing / 2:
            raise OfflineError("lost on the way there")
        ids = [idempotency_key] if idempotency_key else [one["id"] for one in body["reports"]]
        if self.refuses & set(ids):
            raise DeclinedError("one of these is not right")
        self.batches.append(len(ids))
        self.taken += [str(one) for one in ids if one not in self.taken]
        if draw < self._failing:
            raise OfflineError("lost on the way back")
        return Said(status=200, body={}, raw=b"{}", etag=None, retry_after_s=None)


async def deliver_all(outbox: Outbox, gateway: Counting, clock: Clock) -> None:
    thread = OwnerThread()
    courier = Courier(outbox, thread, gateway, uniform=lambda: 0.5)
    for _ in range(200):
        await courier.deliver()
        clock.now += 1_000.0
        if set(outbox.waiting()) == {"dropped"}:
            break
    thread.close()


@pytest.mark.parametrize("seed", range(5))
async def test_every_report_arrives_once_over_a_line_that_fails(seed: int) -> None:
    clock = Clock()
    outbox, gateway = Outbox(None, now_s=clock), Counting(seed, failing=0.5)
    for number in range(300):
        outbox.put(report(number))
        outbox.put(report(number))
    await deliver_all(outbox, gateway, clock)
    assert sorted(gateway.taken) == [f"rep_{number:08d}" for number in range(300)]
    assert outbox.waiting() == {"dropped": 0}


async def test_requests_keep_their_order_within_a_session(tmp_path: Path) -> None:
    clock = Clock()
    outbox, gateway = Outbox(tmp_path / "o.sqlite", now_s=clock), Counting(3, failing=0.4)
    for number in range(30):
        outbox.put(request(number, session=f"s{number % 3}"))
    await deliver_all(outbox, gateway, clock)
    assert len(gateway.taken) == 30
    for session in range(3):
        own = [name for name in gateway.taken if int(name[4:]) % 3 == session]
        assert own == sorted(own)
    assert len(outbox.take_results()) == 30
    assert outbox.take_results() == []


def test_only_the_first_request_of_a_session_is_due() -> None:
    outbox = Outbox(None)
    for number, session in enumerate(("a", "a", "b", None, None)):
        outbox.put(request(number, session))
    assert [item.id[-1] for item in outbox.due(("request",), 10)] == ["0", "2", "3", "4"]


async def test_one_report_that_is_refused_does_not_take_the_others_with_it() -> None:
    clock = Clock()
    outbox, gateway = Outbox(None, now_s=clock), Counting(0, failing=0.0)
    gateway.refuses = {"rep_00000037"}
    for number in range(100):
        outbox.put(report(number))
    await deliver_all(outbox, gateway, clock)
    assert len(gateway.taken) == 99
    assert outbox.waiting() == {"dropped": 0}


def test_it_waits_longer_after_each_failure_up_to_a_bound() -> None:
    clock = Clock()
    outbox = Outbox(None, now_s=clock)
    outbox.put(report(1))
    waits = []
    for _ in range(14):
        (item,) = outbox.due(("report",), 1)
        outbox.later([item], 0.0)
        waits.append(outbox.next_due_s())
        clock.now += 10_000.0
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == 900.0


def test_old_items_expire_and_the_loss_is_counted() -> None:
    clock = Clock()
    outbox = Outbox(None, now_s=clock)
    outbox.put(request(1))
    clock.now += 86_401.0
    assert outbox.due(("request",), 10) == []
    outbox.put(report(2))
    assert outbox.waiting() == {"report": 1, "dropped": 1}


def test_reports_make_room_oldest_first_and_requests_are_refused_when_full() -> None:
    outbox = Outbox(None, max_bytes=10_000)
    for number in range(30):
        outbox.put(report(number, size=800))
    kept = outbox.due(("report",), 100)
    assert kept[-1].id == "rep_00000029"
    assert outbox.waiting()["dropped"] == 30 - len(kept)
    for number in range(100):
        try:
            outbox.put(Item(id=f"dev_{number:08d}", kind="request", body={"text": "y" * 900}))
        except FullError:
            break
    else:
        pytest.fail("it never said that it is full")
    before = outbox.waiting()
    outbox.put(report(99, size=800))
    assert set(outbox.waiting()) == {"request", "dropped"}
    assert outbox.waiting()["dropped"] == before["dropped"] + 1


WRITER = """
import sys
from pathlib import Path
from edge_runtime.sdk.outbox import Item, Outbox
outbox = Outbox(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 1_000_000):
    outbox.put(Item(id=f"rep_{number:08d}", kind="report", body={"n": number}))
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(
    tmp_path: Path, at_size: Callable[[int, int], int]
) -> None:
    """What the writer has said it put in is in the file, whole, after kill -9."""
    file, chance, said = tmp_path / "outbox.sqlite", random.Random(11), -1
    for _ in range(at_size(4, 50)):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file), str(said + 1)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(chance.randrange(1, 120)):
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]
        said = int(rest[-1]) if rest else said
        writer.stdout.close()
        writer.wait()
    with sqlite3.connect(file) as db:
        found = {row[0] for row in db.execute("SELECT id FROM items")}
    db.close()
    assert {f"rep_{number:08d}" for number in range(said + 1)} <= found


def test_a_file_that_is_no_database_any_more_is_put_aside(tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    file.write_bytes(b"not a database, whatever it was before" * 100)
    box = Outbox(file)
    box.put(report(1))
    assert box.waiting()["report"] == 1
    assert (tmp_path / "outbox.broken").is_file()
    box.close()


def test_what_is_counted_is_what_is_there(tmp_path: Path) -> None:
    clock = Clock()
    box = Outbox(tmp_path / "outbox.sqlite", max_bytes=3_000, now_s=clock)
    for number in range(60):
        box.put(report(number, size=20))
        if number % 7 == 0:
            box.delivered([item.id for item in box.due(("report",), 3)])
    again = Outbox(tmp_path / "outbox.sqlite", max_bytes=3_000, now_s=clock)
    database = sqlite3.connect(tmp_path / "outbox.sqlite")
    summed = database.execute("SELECT SUM(size) FROM items").fetchone()[0]
    assert database.execute("SELECT value FROM counts WHERE name = 'bytes'").fetchone()[0] == summed
    assert 0 < summed <= 3_000
    for each in (box, again, database):
        each.close()


def test_no_put_but_the_untidy_one_waits_for_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    box = Outbox(file)
    before = file.stat().st_size
    for number in range(100):
        box.put(report(number))
    assert box.untidy
    assert file.stat().st_size == before  # all of it is in the log beside
    assert box.waiting()["report"] == 100
    box.put(report(1_000))
    assert file.stat().st_size > before
    box.close()
