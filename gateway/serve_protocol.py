"""HTTP/1.1 at the socket, with bounds that uvicorn leaves to a proxy: size of a request's head, time it may take to
arrive, number of connections. Without them one client could hold memory and sockets without ever asking anything.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as UvicornHttp

from gateway.http.exchange import WHOLE, Headers

MAX_HEAD_BYTES: Final = 64 * 1024
_TOO_LARGE: Final = f"the request's head is larger than {MAX_HEAD_BYTES} bytes"
HEAD_S: Final = 15.0
"""From connecting, or from the first byte of a further request, to the end of its head."""
_REASONS: Final = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class BoundedHttp(UvicornHttp):
    """uvicorn's protocol with a bounded head. Refusals made here carry no request id, since no request was read."""

    max_connections = 10_000
    head_s = HEAD_S

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = False
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refuse(503, "too many connections")
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # A head that is too large may come whole, or end with the piece that makes it so.
        self._much = self._head_bytes + len(data) > MAX_HEAD_BYTES
        super().data_received(data)
        # Only a head that is not complete counts; what came with a complete one is its body.
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, _TOO_LARGE)
            elif self._timer is None:
                self._arm()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._disarm()
        if self._much and sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse(431, _TOO_LARGE)
            return
        super().on_headers_complete()
        if self.cycle is not None:
            # The application starts with the next turn of the loop, so it finds this in its scope.
            self.scope[WHOLE] = partial(_write_whole, self.cycle)  # type: ignore[typeddict-unknown-key]  # our own key in ASGI's scope

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets an answer in our form, and the connection ends."""
        self._refuse(400, "this is not an HTTP request")

    def _arm(self) -> None:
        self._timer = self.loop.call_later(self.head_s, self._too_slow)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._refuse(408, f"no complete request within {self.head_s:g} seconds")

    def _refuse(self, status: int, detail: str) -> None:
        if self.transport.is_closing():
            return
        body = json.dumps(
            {"type": "about:blank", "title": _REASONS[status], "status": status, "detail": detail}
        ).encode()
        # An answer that has begun must not be followed by another; then only the end of the connection is left.
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            head = (
                f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/problem+json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


def _write_whole(cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
    """A whole answer in one write; False when it must go the ordinary way. uvicorn searches every name and value with a
    regular expression and writes head and body apart, which costs more than routing does. One look at the assembled
    head serves as well: it must have as many lines as headers."""
    if cycle.response_started or cycle.flow.write_paused or cycle.scope["method"] == "HEAD" or status == 204:
        return False
    if cycle.disconnected:
        return True
    parts = [STATUS_LINE[status]]
    lines = [*cycle.default_headers, *headers]
    if (b"connection", b"close") in headers:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        lines.append((b"connection", b"close"))
    for name, value in lines:
        parts += (name, b": ", value, b"\r\n")
    head = b"".join(parts)
    if not head.count(b"\n") == head.count(b"\r") == len(lines) + 1:
        raise ValueError("a response header holds a line break")
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(head + b"\r\n" + body)
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def bounded_http(max_connections: int) -> type[BoundedHttp]:
    """The protocol for a server that takes so many connections at once."""
    return type("BoundedHttp", (BoundedHttp,), {"max_connections": max_connections})
