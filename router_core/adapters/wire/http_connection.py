"""One keep-alive connection: sends a request, parses one bounded answer, and gives up on anything else.

`asyncio.Protocol` on httptools instead of a client library: half the CPU per request (docs/decisions/0001).
One future per request wakes the caller; the timer is shared by all requests of a connection and moves lazily.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any, Final, cast

import httptools

from router_core.adapters.wire.http_wire import MAX_HEAD_BYTES
from router_core.errors import TargetError, TimeoutTargetError, UnavailableError

HIGH_WATER_BYTES: Final = 65_536
"""Unread bytes of a stream above which the sender is made to wait."""
_FRAMING_FACTOR: Final = 8
"""Raw bytes allowed per body byte: chunks of one byte cost six, more is somebody feeding us framing."""


class StaleConnectionError(Exception):
    """A reused connection was closed by the peer before the first byte of an answer; inside the pool only."""


class _UnsolicitedError(Exception):
    """An answer without a request; stops the parser."""


class Connection(asyncio.Protocol):
    """Serves one request at a time. `settled` is called when it comes to rest without anybody waiting:
    closed or spoken to while idle, or drained after its reader left."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settled: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._settled = settled
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = math.inf
        self._unclaimed = False
        self.used = False
        self.idle_since_s = 0.0
        self.complete = True
        self._clear(0, streams=False)

    def _clear(self, max_bytes: int, *, streams: bool) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.error: TargetError | StaleConnectionError | None = None
        self._streams = streams
        self._max_bytes = max_bytes
        self._raw_bytes = self._body_bytes = self._buffered = 0
        self._pieces: list[bytes] = []
        self._head_done = self._interim = self._keep = self._until_close = self._paused = False

    # ---- for the pool ------------------------------------------------------------------------------------------------

    @property
    def reusable(self) -> bool:
        """The last answer is complete and the peer keeps the connection open."""
        return (
            self.complete
            and self._keep
            and self.error is None
            and self._transport is not None
            and not self._transport.is_closing()
        )

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def socket(self) -> Any:
        """What the kernel can be asked about the line; None without one."""
        return None if self._transport is None else self._transport.get_extra_info("socket")

    async def exchange(self, request: bytes, deadline: float, max_bytes: int, *, streams: bool) -> None:
        """Send, and wait for the whole answer, or with `streams` for its headers.

        `deadline` is in the loop's time. Raises a core `TargetError` or `StaleConnectionError`. After any exception,
        cancellation too, the answer may be on its way: the caller must drop the connection.
        """
        self._clear(max_bytes, streams=streams)
        self.complete = self._unclaimed = False
        if self._transport is None:
            raise self._closed_early()
        self._transport.write(request)
        await self._wait(deadline)
        self.used = True

    def rest(self, now_s: float) -> None:
        """Idle in the pool from now on (the loop's time)."""
        self._unclaimed = True
        self.idle_since_s = now_s

    def claim(self) -> None:
        """Handed to a caller who waited; what happens to it is theirs to handle."""
        self._unclaimed = False

    def drain(self, grace_s: float) -> None:
        """Let the rest of an answer pass unread, for at most `grace_s` and one buffer; then `settled` is called."""
        self._pieces.clear()
        self._max_bytes = self._body_bytes + HIGH_WATER_BYTES
        self._unclaimed = True
        self._resume()
        self._arm(self._loop.time() + grace_s)

    def abort(self) -> None:
        """Drop the connection at once, so that the peer stops working."""
        if self._transport is not None:
            self._transport.abort()

    # ---- for the reader of an answer ---------------------------------------------------------------------------------

    def body(self) -> bytes:
        """The bytes received since the last call."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._buffered = 0
        if self._paused:
            self._resume()
        return data

    async def piece(self, deadline: float) -> bytes:
        """The next bytes of a streamed body; b"" at its end. What came before a failure is given out first."""
        while not self._pieces:
            if self.complete:
                return b""
            await self._wait(deadline)
        return self.body()

    async def _wait(self, deadline: float) -> None:
        if self.error is not None:
            raise self.error
        self._waiter = waiter = self._loop.create_future()
        self._arm(deadline)
        try:
            await waiter
        finally:
            self._waiter = None

    # ---- time --------------------------------------------------------------------------------------------------------

    def _arm(self, deadline: float) -> None:
        self._deadline = deadline
        if deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self.complete or (self._waiter is None and not self._unclaimed):
            return
        if self._loop.time() < self._deadline:
            self._arm(self._deadline)
        elif self._head_done and self._streams:
            self._fail(TimeoutTargetError("the target stopped in the middle of its answer"))
        else:
            self._fail(TimeoutTargetError("the target did not answer in time"))

    # ---- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        self._raw_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # After a complete answer these are bytes nobody asked for: the answer stands, the connection does not.
            self._keep = False
            self.abort()
            self._fail(UnavailableError("the target's answer is not valid HTTP"))
        if not self._head_done:
            if self._raw_bytes > MAX_HEAD_BYTES:
                self._fail(UnavailableError("the headers of the target's answer are too large"))
        elif self._raw_bytes > MAX_HEAD_BYTES + _FRAMING_FACTOR * self._max_bytes:
            self._fail(UnavailableError("the target's answer is too large"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self.complete:
            if self._unclaimed:
                self._settled(self)
        elif self._head_done and self._until_close and exc is None:
            self.on_message_complete()
        elif self._raw_bytes:
            self._fail(UnavailableError("the target closed the connection in the middle of its answer"))
        else:
            self._fail(self._closed_early())

    def _closed_early(self) -> UnavailableError | StaleConnectionError:
        if self.used:
            return StaleConnectionError()
        return UnavailableError("the target closed the connection without an answer")

    # ---- httptools callbacks -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise _UnsolicitedError

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:  # trailers say nothing we act on
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._interim = True
            self.headers.clear()
            return
        self.status = status
        self._head_done = True
        self._keep = self._parser.should_keep_alive()
        length = self.headers.get(b"content-length")
        self._until_close = length is None and b"transfer-encoding" not in self.headers
        encoding = self.headers.get(b"content-encoding", b"identity")
        if encoding.lower() not in (b"identity", b""):
            self._fail(UnavailableError("the target compressed its answer without being asked to"))
        elif length is not None and int(length) > self._max_bytes:
            self._fail(UnavailableError("the target's answer is too large"))
        elif self._streams:
            self._wake()

    def on_body(self, body: bytes) -> None:
        if self.error is not None:
            return
        size = len(body)
        self._body_bytes += size
        if self._body_bytes > self._max_bytes:
            self._fail(UnavailableError("the target's answer is too large"))
            return
        if self._unclaimed:
            return
        self._pieces.append(body)
        if self._streams:
            self._buffered += size
            if self._buffered > HIGH_WATER_BYTES and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            self._wake()

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            return
        if self.error is not None or self.complete:
            return
        self.complete = True
        self._wake()
        if self._unclaimed:
            self._settled(self)

    # ---- ends --------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, error: TargetError | StaleConnectionError) -> None:
        if self.error is not None or self.complete:
            return
        self.error = error
        self.abort()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if self._unclaimed:
            self._settled(self)

    def _resume(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._paused = False
