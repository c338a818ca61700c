"""Three days of a phone, told by a seed: it loses its network and its battery, and its app is ended and started again.

A stand-in for the gateway on a real socket takes every report once and tells what it was sent. The phone is the real
client on its real files; only the battery and the air are simulated, and hours take milliseconds. Kill -9 is tested where
it matters, at the outbox and the downloads.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_runtime import Client, ClientError, Options
from edge_runtime.sdk.trusted import FILE
from router_core.inference import Device
from tests.e2e.device.house import CHAT, CLOUD_SPEC, DEVICE_SPEC, PUBLIC, SET_TIMER, envelope

HOURS = 72
SECRET = "zebra-crossing-7"


@dataclass(slots=True)
class Air:
    """The gateway as it is seen through the air: there or not, and now and then cut after it took what was sent."""

    chance: random.Random
    up: bool = True
    reports: Counter[str] = field(default_factory=Counter)
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
        answer = self._answer(head.split(b" ")[1].decode(), body)
        if self.chance.random() < 0.1:
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
class Phone:
    """What the trace says of this hour."""

    battery: float = 0.8
    charging: bool = False
    thermal: str = "nominal"

    def device(self) -> Device:
        return Device(
            battery=self.battery,
            charging=self.charging,
            thermal=self.thermal,
            executes=True,
            device_class="phone",
        )


async def test_three_days_lose_nothing_and_tell_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every report that the device made arrives, once for the gateway's marks; no restricted word leaves."""
    each_hour = 40 if request.config.getoption("--proof") else 4
    chance = random.Random(72)
    air, phone = Air(chance=random.Random(73)), Phone()
    server = await asyncio.start_server(air.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    (tmp_path / FILE).write_bytes(envelope(issued_s=time.time() - 60))
    made, failed = 0, Counter[str]()
    client = opened(url, tmp_path, phone)
    for hour in range(HOURS):
        _hour(hour, chance, phone, air)
        for _ in range(each_hour):
            text, wishes = _ask(chance)
            try:
                answer = await client.infer(text, **wishes)
                made += answer.tier == "device"
            except ClientError as error:
                failed[error.reason] += 1
        if chance.random() < 0.3:
            await client.close()
            client = opened(url, tmp_path, phone)
        if air.up:
            await client.deliver()
    air.up = True
    for _ in range(50):
        await client.deliver()
        if set(await client.waiting()) == {"dropped"}:
            break
    assert await client.waiting() == {"dropped": 0}
    await client.close()
    server.close()
    assert set(failed) <= {"offline", "refused", "unavailable"}
    assert made > HOURS * each_hour // 4
    assert len(air.reports) >= made  # refusals and failures are told as well
    assert air.repeated > 0  # the lost answers did make the device send again
    assert SECRET.encode() not in air.heard


def opened(url: str, home: Path, phone: Phone) -> Client:
    """The app starts: with the bundle that lies on the disk, and whatever waits there."""
    return Client(url, trust=[PUBLIC], options=Options(home=home, device=phone.device, look_s=0.0))


def _hour(hour: int, chance: random.Random, phone: Phone, air: Air) -> None:
    phone.charging = hour % 24 < 6
    phone.battery = min(1.0, max(0.03, phone.battery + (0.15 if phone.charging else -0.06)))
    phone.thermal = chance.choice(("nominal", "nominal", "nominal", "fair", "serious"))
    air.up = chance.random() < 0.7


def _ask(chance: random.Random) -> tuple[str, Any]:
    draw = chance.random()
    if draw < 0.55:
        return SET_TIMER, {}
    if draw < 0.7:
        return f"set a timer for 5 minutes called {SECRET}", {"privacy": "restricted"}
    if draw < 0.8:
        return f"tell me about {SECRET}", {"privacy": "restricted", "when_offline": "queue"}
    return CHAT, {"when_offline": "queue", "session_id": f"s{chance.randrange(3)}"}
