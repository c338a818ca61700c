"""Three days of a phone, told by a seed: it loses its network and its battery, and its process is killed at any moment.

A stand-in for the gateway on a real socket takes every report once and tells what it was sent. The phone is the real
client on its real files, in a process that gets SIGKILL in the middle of its work and is started again in the next hour;
only the battery and the air are simulated, and hours take milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_runtime.sdk.trusted import FILE
from tests.e2e.device.house import CLOUD_SPEC, DEVICE_SPEC, PUBLIC, envelope
from tests.e2e.device.phone import HOURS, SECRET

pytestmark = pytest.mark.server


@dataclass(slots=True)
class Air:
    """The gateway as it is seen through the air: there or not, and now and then cut after it took what was sent."""

    chance: random.Random
    up: bool = True
    reports: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    repeated: int = 0
    answered: int = 0
    heard: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._one(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        body = await reader.readexactly(length)
        self.heard += body
        if not self.up:
            raise ConnectionResetError
        path = head.split(b" ")[1].decode()
        answer = self._answer(path, body)
        self.batches += path == "/device/outcomes"
        lost = self.batches % 5 == 1 if path == "/device/outcomes" else self.chance.random() < 0.1
        if lost:
            raise ConnectionResetError  # taken, and the answer is lost
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        await writer.drain()

    def _answer(self, path: str, body: bytes) -> bytes:
        if path == "/device/bundle":
            return envelope(specs=(DEVICE_SPEC, CLOUD_SPEC))
        if path == "/inference":
            self.answered += 1
            routing = {"tier": "cloud", "target": "cloud/big", "model": "big"}
            return json.dumps({"request_id": "req_1", "output": {"text": "hi"}, "routing": routing}).encode()
        for report in json.loads(body)["reports"]:
            self.repeated += report["id"] in self.reports
            self.reports[report["id"]] = 1
        return b"{}"


@dataclass(slots=True)
class Days:
    """What was heard of the phone, over all its lives. `durable` are reports that lay in its outbox when it was killed."""

    said: Counter[str] = field(default_factory=Counter)
    durable: set[str] = field(default_factory=set)
    kills: int = 0
    hour: int = 0
    over: bool = False


async def test_three_days_lose_nothing_and_tell_nothing(
    tmp_path: Path, at_size: Callable[[int, int], int]
) -> None:
    """Every report that the device made arrives, once for the gateway's marks; no restricted word leaves."""
    per_hour, chance = at_size(6, 40), random.Random(72)
    air, days = Air(chance=random.Random(73)), Days()
    server = await asyncio.start_server(air.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    (tmp_path / FILE).write_bytes(envelope(issued_s=time.time() - 60))
    lives = at_size(6, 40)
    while not days.over:
        last = days.kills >= lives
        lines = None if last else chance.randrange(5, 2 * HOURS * per_hour // lives)
        await _life(tmp_path, url, per_hour, lines, air, days)
    server.close()
    assert days.kills >= lives // 2
    errors = {name for name in days.said if name.startswith("error")}
    assert errors <= {"error offline", "error refused", "error unavailable"}
    assert days.said["answer device"] > HOURS * per_hour // 4
    # What the app was told of, and what a killed process had written down: all of it arrived, each once.
    assert len(air.reports) >= days.said["answer device"]
    assert days.durable and days.durable <= set(air.reports)
    assert air.repeated > 0  # the lost answers did make the device send again
    assert SECRET.encode() not in air.heard


async def _life(home: Path, url: str, per_hour: int, lines: int | None, air: Air, days: Days) -> None:
    """One process of the phone, killed after so many lines."""
    command = [
        sys.executable,
        "-m",
        "tests.e2e.device.phone",
        str(home),
        url,
        PUBLIC,
        str(days.hour),
        str(per_hour),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    heard = 0
    async for raw in process.stdout:
        line = raw.decode().strip()
        heard += 1
        if line.startswith("hour "):
            days.hour = int(line[5:])
            air.up = days.hour == HOURS - 1 or random.Random(2_000 + days.hour).random() < 0.7
        elif line.startswith("left "):
            assert line == "left {'dropped': 0}"
            days.over = True
        else:
            days.said[line] += 1
        if heard == lines and days.hour < HOURS - 1:
            process.kill()
            break
    await process.wait()
    if not days.over:
        assert process.returncode == -9, process.returncode
        days.kills += 1
        days.hour += 1
        days.durable |= _reports(home)


def _reports(home: Path) -> set[str]:
    """The reports that wait in the outbox of a phone that is not running."""
    file = home / "outbox.sqlite"
    if not file.exists():
        return set()
    with closing(sqlite3.connect(file)) as db:
        return {row[0] for row in db.execute("SELECT id FROM items WHERE kind = 'report'")}
