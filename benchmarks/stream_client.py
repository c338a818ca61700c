"""Reads streams as a client would and notes when each chunk came: a raw protocol, so that reading costs little."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Final, cast

from benchmarks.contestants import Contestant
from benchmarks.load import body, request_head

LIMIT_S: Final = 30.0
_STAMP: Final = re.compile(rb"t(\d{10,})\"")
_END: Final = b"[DONE]"


@dataclass(slots=True, kw_only=True)
class Streamed:
    """One stream. Milliseconds: until the first chunk, between chunks, and of each chunk from the model server's
    write to our read. `complete` is False when it ended without its end mark or took too long."""

    first_ms: float = 0.0
    gaps_ms: list[float] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)
    complete: bool = False

    @property
    def chunks(self) -> int:
        return len(self.delays_ms)


class _Reader(asyncio.Protocol):
    """Sends one request and reads its stream to the end."""

    def __init__(self, request: bytes, ended: asyncio.Future[Streamed]) -> None:
        self._request, self._ended = request, ended
        self._rest, self._started, self._last = b"", 0.0, 0.0
        self.streamed = Streamed()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the type
        self._started = time.monotonic()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now, text = time.monotonic(), self._rest + data
        read = 0
        for found in _STAMP.finditer(text):
            self._note(now, int(found[1]))
            read = found.end()
        # A stamp or the end mark may be cut anywhere; what is kept is too short to hold a whole one twice.
        self._rest = text[max(read, len(text) - 40) :]
        if _END in self._rest:
            self.streamed.complete = True
            self._transport.close()

    def _note(self, now: float, written_ns: int) -> None:
        streamed = self.streamed
        if streamed.delays_ms:
            streamed.gaps_ms.append((now - self._last) * 1e3)
        else:
            streamed.first_ms = (now - self._started) * 1e3
        streamed.delays_ms.append(now * 1e3 - written_ns / 1e6)
        self._last = now

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(self.streamed)


async def read_stream(contestant: Contestant, seed: str, chunks: int) -> Streamed:
    """One stream over a connection of its own; what came until then when it takes longer than `LIMIT_S`."""
    loop = asyncio.get_running_loop()
    content = body(seed, 0, ',"stream":true').replace(b'"max_tokens":64', b'"max_tokens":%d' % chunks)
    ended: asyncio.Future[Streamed] = loop.create_future()
    request = request_head(contestant) % len(content) + content
    transport, reader = await loop.create_connection(lambda: _Reader(request, ended), *contestant.address)
    try:
        async with asyncio.timeout(LIMIT_S):
            return await ended
    except TimeoutError:
        return reader.streamed
    finally:
        transport.abort()
