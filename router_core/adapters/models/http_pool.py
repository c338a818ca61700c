"""The HTTP client of every tier: one origin, keep-alive connections, one deadline per call.

It does what a proxied model call needs and nothing that could surprise: no redirects, proxies, cookies,
decompression, environment, or retries except the one that HTTP keep-alive makes necessary. Raises core errors alone.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from router_core.adapters.wire.http_connection import Connection, StaleConnectionError
from router_core.adapters.wire.http_stream import HttpStream
from router_core.adapters.wire.http_wire import (
    CLIENT,
    MAX_ANSWER_BYTES,
    encode_headers,
    encode_request,
    parse_origin,
)
from router_core.errors import TimeoutTargetError, UnavailableError
from router_core.record import dataclass
from router_core.tracing import CURRENT

_CLOSING_TURNS: Final = 4
"""Turns of the loop in which transports, TLS below them included, report their end; the loop may close after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One whole answer; header names are lower case bytes, a repeated header holds its last value."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class HttpPool:
    """At most `max_connections` to one origin, the most recently used first, those idle for `idle_s` closed.

    `base_url` is taken once; nothing in a call can name another host. `tls` replaces the default context of an
    https origin (system roots, host name checked).
    """

    def __init__(
        self,
        base_url: str,
        *,
        max_connections: int = 64,
        connect_timeout_s: float = 3.0,
        idle_s: float = 15.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.origin = parse_origin(base_url)
        self._host = b"host: %b\r\n%b" % (self.origin.authority.encode("ascii"), CLIENT)
        self._max = max_connections
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._tls = (tls or ssl.create_default_context()) if self.origin.tls else None
        self._idle: deque[Connection] = deque()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._slots = 0
        self._all: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    # ---- calls -------------------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        headers: bytes | Mapping[str, str],
        body: bytes | None,
        *,
        timeout_s: float,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Reply:
        """One call, `timeout_s` from here to the last byte, waiting for a connection included.

        `path` is absolute (the caller adds `origin.path`); `headers` may be encoded once by `encode_headers`.
        """
        connection = await self._exchange(
            self._encode(method, path, headers, body), timeout_s, max_bytes, False
        )
        reply = Reply(status=connection.status, headers=connection.headers, body=connection.body())
        self._release(connection)
        return reply

    async def stream(
        self,
        method: str,
        path: str,
        headers: bytes | Mapping[str, str],
        body: bytes | None,
        *,
        timeout_s: float,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpStream:
        """Send and wait up to `timeout_s` for the headers; the result must be closed, best by `async with`."""
        connection = await self._exchange(
            self._encode(method, path, headers, body), timeout_s, max_bytes, True
        )
        return HttpStream(connection, self._release)

    async def aclose(self) -> None:
        """Drop every connection; calls in flight fail. Safe to call twice."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in tuple(self._all):
            connection.abort()
        for _ in range(_CLOSING_TURNS):
            await asyncio.sleep(0)

    @property
    def socket(self) -> Any:
        """Of the connection that was used last and is free; None without one."""
        return self._idle[-1].socket if self._idle else None

    def _encode(
        self, method: str, path: str, headers: bytes | Mapping[str, str], body: bytes | None
    ) -> bytes:
        encoded = headers if isinstance(headers, bytes) else encode_headers(headers)
        if (span := CURRENT.get()) is not None:
            encoded += span.headers
        return encode_request(method, path, self._host, encoded, body)

    async def _exchange(self, request: bytes, timeout_s: float, max_bytes: int, streams: bool) -> Connection:
        deadline = asyncio.get_running_loop().time() + timeout_s
        connection = await self._acquire(deadline)
        while True:
            try:
                await connection.exchange(request, deadline, max_bytes, streams=streams)
            except StaleConnectionError:
                # The peer closed an idle connection while the request was on its way; a fresh one cannot be stale.
                self._forget(connection)
                connection = await self._connect(deadline)
            except BaseException:
                self._discard(connection)
                raise
            else:
                return connection

    # ---- connections -------------------------------------------------------------------------------------------------

    async def _acquire(self, deadline: float) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
            self._discard(connection)
        if self._slots < self._max:
            self._slots += 1
            return await self._connect(deadline)
        return await self._queue(deadline)

    async def _queue(self, deadline: float) -> Connection:
        """Wait for a connection in order of arrival."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_at(deadline, _give_up, waiter)
        try:
            granted = await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())
            raise
        finally:
            timer.cancel()
        return granted if granted is not None and granted.open else await self._replace(granted, deadline)

    async def _replace(self, connection: Connection | None, deadline: float) -> Connection:
        """A fresh connection in the slot that was granted."""
        if connection is not None:
            self._forget(connection)
        return await self._connect(deadline)

    async def _connect(self, deadline: float) -> Connection:
        """Open a connection in a slot that is already counted; the slot is given back on failure."""
        if self._closed:
            self._pass_on(None)
            raise UnavailableError("the connection pool of the target is closed")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + self._connect_timeout_s)):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, self._settle),
                    self.origin.host,
                    self.origin.port,
                    ssl=self._tls,
                    server_hostname=self.origin.host if self.origin.tls else None,
                )
        except BaseException as error:
            self._pass_on(None)
            if isinstance(error, TimeoutError):
                raise TimeoutTargetError("the target did not accept a connection in time") from None
            if isinstance(error, ssl.SSLError):
                raise UnavailableError("no trusted TLS connection to the target could be made") from None
            if isinstance(error, OSError | UnicodeError):
                raise UnavailableError("the target could not be reached") from None
            raise
        self._all.add(connection)
        return connection

    def _release(self, connection: Connection) -> None:
        """The answer was read; keep the connection when it can serve again."""
        if self._closed or not connection.reusable:
            self._discard(connection)
        else:
            self._pass_on(connection)

    def _pass_on(self, connection: Connection | None) -> None:
        """Give a connection, or a free slot, to whoever waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                if connection is not None:
                    connection.claim()
                waiter.set_result(connection)
                return
        if connection is None:
            self._slots -= 1
            return
        loop = asyncio.get_running_loop()
        connection.rest(loop.time())
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(self._idle_s, self._sweep)

    def _discard(self, connection: Connection) -> None:
        self._forget(connection)
        self._pass_on(None)

    def _forget(self, connection: Connection) -> None:
        connection.abort()
        self._all.discard(connection)

    def _settle(self, connection: Connection) -> None:
        """A connection nobody waits for came to rest: drained, or lost while idle."""
        if connection in self._idle:
            self._idle.remove(connection)
            self._discard(connection)
        elif connection in self._all:
            self._release(connection)

    def _sweep(self) -> None:
        """Close what was idle for too long; the oldest are at the left."""
        loop = asyncio.get_running_loop()
        self._sweeping = None
        while self._idle and self._idle[0].idle_since_s <= loop.time() - self._idle_s:
            self._discard(self._idle.popleft())
        if self._idle:
            due = self._idle[0].idle_since_s + self._idle_s
            self._sweeping = loop.call_at(due, self._sweep)


def _give_up(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutTargetError("no connection to the target became free in time"))
