"""Puts load on one gateway for some seconds: wrk when it is installed, else a small generator of our own.

Both keep connections alive and send the same bodies, each text its own. A request that fails ends the measurement:
a server that refuses quickly would look fast.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.contestants import Contestant
from benchmarks.figures import percentile

SCRIPT: Final = Path(__file__).with_name("load.lua")
TEXT: Final = (
    "Request {seed}-{count}: say in two sentences what an edge node does for a factory whose uplink is slow, "
    "and name one risk of it."
)
_serial: Final = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of one load: how many answers in how many seconds, latency in microseconds."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def generator() -> str:
    """The name of the load generator that `put` uses."""
    return "wrk" if shutil.which("wrk") else "own generator (wrk is not installed)"


def put(contestant: Contestant, connections: int, seconds: int) -> Load:
    """Load a contestant. Raises `RuntimeError` when any request failed or none was answered."""
    found = _load(contestant, connections, seconds)
    if not found["requests"] and not found["failed"]:
        # Slower than the window: one longer look before it counts as dead.
        found = _load(contestant, connections, 10 * seconds)
    if found["failed"] or not found["requests"]:
        raise RuntimeError(
            f"{contestant.name}: {found['failed']} requests failed, {found['requests']} answered"
        )
    return Load(
        requests=found["requests"],
        seconds=found["wall_us"] / 1e6,
        p50_us=found["p50_us"],
        p99_us=found["p99_us"],
    )


def _load(contestant: Contestant, connections: int, seconds: int) -> dict[str, Any]:
    seed = f"{time.time_ns():x}-{next(_serial)}"
    if shutil.which("wrk"):
        return _wrk(contestant, connections, seconds, seed)
    return uvloop.run(_own(contestant, connections, seconds, seed))


def body(seed: str, count: int, members: str) -> bytes:
    """The request's body, the same as load.lua makes."""
    text = TEXT.format(seed=seed, count=count)
    start = f'{{"model":"auto","messages":[{{"role":"user","content":"{text}"}}],"max_tokens":64'
    return f"{start}{members}}}".encode()


def read_result(output: str) -> dict[str, Any]:
    """The line that load.lua writes at its end. Raises `RuntimeError` with the output when it is not there."""
    for line in output.splitlines():
        if line.startswith("RESULT "):
            return cast(dict[str, Any], json.loads(line.removeprefix("RESULT ")))
    raise RuntimeError(f"wrk said no result: {output[-300:]}")


def _wrk(contestant: Contestant, connections: int, seconds: int, seed: str) -> dict[str, Any]:
    headers = [f"-H{name}: {value}" for name, value in contestant.headers.items()]
    shape = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT)]
    command = [*shape, *headers, contestant.url, "--", seed, contestant.members]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    return read_result(ended.stdout + ended.stderr)


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last is complete."""

    def __init__(self, requests: Iterator[bytes], taken_us: list[float], until: float) -> None:
        self._requests, self._taken_us, self._until = requests, taken_us, until
        self._buffer, self._started = b"", 0.0
        self.failed = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the type
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < content_length(head):
            return
        self._taken_us.append((time.perf_counter() - self._started) * 1e6)
        self.failed += not head.startswith(b"HTTP/1.1 200")
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        # Closed before its time: the request in flight has failed.
        self.failed += time.perf_counter() < self._until
        if not self.ended.done():
            self.ended.set_result(None)

    def _send(self) -> None:
        self._buffer, self._started = b"", time.perf_counter()
        self._transport.write(next(self._requests))


def content_length(head: bytes) -> int:
    """Bytes of the body after an answer's head. Raises `ValueError` when the head does not say."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise ValueError("an answer without content-length")


async def _own(contestant: Contestant, connections: int, seconds: int, seed: str) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    requests = _requests(contestant, seed)
    taken_us: list[float] = []
    started = time.perf_counter()
    opened = [
        await loop.create_connection(
            lambda: _Connection(requests, taken_us, started + seconds), *contestant.address
        )
        for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + 60):
        await asyncio.gather(*(protocol.ended for _, protocol in opened))
    wall_us = (time.perf_counter() - started) * 1e6
    return {
        "requests": len(taken_us),
        "wall_us": wall_us,
        "failed": sum(protocol.failed for _, protocol in opened),
        "p50_us": percentile(taken_us, 0.5),
        "p99_us": percentile(taken_us, 0.99),
    }


def _requests(contestant: Contestant, seed: str) -> Iterator[bytes]:
    head = request_head(contestant)
    for count in itertools.count(1):
        content = body(seed, count, contestant.members)
        yield head % len(content) + content


def request_head(contestant: Contestant) -> bytes:
    """The head of a POST to a contestant, with `%d` where the body's length goes."""
    place = urlsplit(contestant.url)
    lines = [f"POST {place.path} HTTP/1.1", f"host: {place.netloc}", "content-length: %d"]
    lines += [f"{name}: {value.replace('%', '%%')}" for name, value in contestant.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
