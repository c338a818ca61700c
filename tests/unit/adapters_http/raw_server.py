"""A server that sends exactly the bytes a test gives it, so that HTTP itself can be wrong in every way."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Handler = Callable[["Peer"], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def ok(body: bytes) -> bytes:
    """A plain 200 with a length."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def chunked(*parts: bytes) -> bytes:
    """A 200 in chunks, complete."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Peer:
    """One connection as the server sees it; `number` counts connections from 0."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: RawServer

    async def request(self) -> bytes:
        """Read one request whole; raises `EOFError` when the client has left."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        _, found, rest = head.partition(b"content-length: ")
        body = await self.reader.readexactly(int(rest.split(b"\r\n")[0])) if found else b""
        self.server.requests.append(head + body)
        self.server.arrived.set()
        return head + body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass(slots=True, kw_only=True)
class RawServer:
    """What reached the server; `closed` is set when a client left while something was still expected of it."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Serve every connection by `handler`; the connection is closed when it returns."""
    seen = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(peer: Peer) -> None:
        try:
            await handler(peer)
        except (EOFError, ConnectionError):
            seen.closed.set()
        finally:
            peer.writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(number=seen.connections, reader=reader, writer=writer, server=seen)
        seen.connections += 1
        task = asyncio.ensure_future(serve(peer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    seen.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{port}"
    try:
        yield seen
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


def answering(*replies: bytes) -> Handler:
    """Each connection answers its requests with `replies` in turn, and then closes."""

    async def handle(peer: Peer) -> None:
        for reply in replies:
            await peer.request()
            await peer.send(reply)

    return handle


async def forever(peer: Peer) -> None:
    """Answer every request with the number of the connection."""
    while True:
        await peer.request()
        await peer.send(ok(b"%d" % peer.number))
