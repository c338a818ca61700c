"""Plays an answer with its fault onto a connection, byte by byte as the fault wants it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Literal

from tests.upstream.faults import Answer, Exchange

After = Literal["keep", "close", "reset"]
_REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
# A reset may overtake bytes that the client has not read yet; it follows a little later.
_BEFORE_RESET_S = 0.03


class Connection:
    """Writes HTTP/1.1 by hand."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._chunked = False
        # Every drain waits until the kernel has all bytes: what was sent before a cut has really left.
        writer.transport.set_write_buffer_limits(0)

    async def head(self, status: int, headers: Mapping[str, str], *, chunked: bool = False) -> None:
        """Send the status line and headers."""
        self._chunked = chunked
        fields = {**headers, "transfer-encoding": "chunked"} if chunked else dict(headers)
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        await self._send("\r\n".join([*lines, "", ""]).encode())

    async def part(self, data: bytes) -> None:
        """Send a part of the body."""
        if data:
            await self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        """End a chunked body."""
        if self._chunked:
            await self._send(b"0\r\n\r\n")

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def leave(self, how: After) -> None:
        """Close the connection with FIN or RST."""
        if how == "reset":
            await asyncio.sleep(_BEFORE_RESET_S)
            raw = self._writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        else:
            self._writer.close()


async def play_json(
    to: Connection, status: int, body: object, headers: Mapping[str, str] | None = None
) -> None:
    """Send a complete JSON answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    await to.head(status, fields)
    await to.part(data)


async def play(to: Connection, exchange: Exchange, answer: Answer) -> After:
    """Play the exchange's fault; returns what happens to the connection afterwards."""
    fault = exchange.fault
    if fault.kind == "half_open":
        await asyncio.Event().wait()
    if fault.kind == "slow_headers":
        await asyncio.sleep(fault.delay_s)
    if fault.kind == "status":
        retry = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
        await play_json(to, fault.status, answer.error_body, {**answer.error_headers, **retry})
        return "keep"
    if fault.kind == "error_body":
        await play_json(to, 200, answer.error_body)
        return "keep"
    if fault.kind == "gzip_garbage":
        await play_json(to, 200, b"\x1f\x8b\x08\x00" + bytes(range(64)), {"content-encoding": "gzip"})
        return "keep"
    return await (_stream(to, exchange, answer) if answer.streams else _whole(to, exchange, answer))


async def _whole(to: Connection, exchange: Exchange, answer: Answer) -> After:
    fault = exchange.fault
    data = json.dumps(answer.whole).encode()
    if fault.kind == "malformed":
        data = data[:-7]
    if fault.kind not in {"cut_after", "stall_after"}:
        await asyncio.sleep(fault.token_delay_s * len(answer.tokens))
        await play_json(to, 200, data)
        return "keep"
    await to.head(200, {"content-type": "application/json", "content-length": str(len(data))})
    await to.part(data[: len(data) // 2])
    return await _strike(exchange)


async def _strike(exchange: Exchange) -> After:
    """Stall for ever, or say how to cut."""
    if exchange.fault.kind == "stall_after":
        await asyncio.Event().wait()
    return "reset" if exchange.fault.reset else "close"


async def _stream(to: Connection, exchange: Exchange, answer: Answer) -> After:
    fault = exchange.fault
    chunked = fault.framing == "chunked"
    fields = {"content-type": answer.content_type}
    await to.head(200, fields if chunked else {**fields, "connection": "close"}, chunked=chunked)
    await to.part(answer.opening)
    for number, token in enumerate(answer.tokens):
        if number == fault.tokens:
            if fault.kind in {"cut_after", "stall_after"}:
                return await _strike(exchange)
            await to.part(_extra(fault.kind, answer))
            if fault.kind == "stream_error":
                break
        await asyncio.sleep(fault.token_delay_s)
        await to.part(token)
        exchange.tokens_sent += 1
    if fault.kind == "stream_error":
        await to.part(answer.done)
    else:
        await _ending(to, exchange, answer)
    await to.end()
    return "keep" if chunked else "close"


def _extra(kind: str, answer: Answer) -> bytes:
    extras = {"malformed": answer.malformed, "oversized": answer.oversized, "stream_error": answer.error}
    return extras.get(kind, b"")


async def _ending(to: Connection, exchange: Exchange, answer: Answer) -> None:
    kind = exchange.fault.kind
    parts = {"no_finish": answer.finish, "no_usage": answer.usage, "no_done": answer.done}
    for name, part in parts.items():
        if kind != name:
            await to.part(part)
    if kind == "double_done":
        await to.part(answer.done or answer.finish)
