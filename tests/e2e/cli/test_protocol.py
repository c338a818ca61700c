"""The socket's own bounds: a head without end, a client that never asks, and too many of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from gateway.serve_protocol import MAX_HEAD_BYTES, BoundedHttp

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(**bounds: float) -> AsyncIterator[int]:
    """A server with these bounds on a free port of this machine."""
    protocol = type("Bounded", (BoundedHttp,), bounds)
    config = uvicorn.Config(app, port=0, http=protocol, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


async def said(port: int, *pieces: bytes) -> bytes:
    """What the server says to these bytes until it closes or the answer is complete."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            return head + await reader.read(1000)
    except (ConnectionResetError, BrokenPipeError):
        return b"reset"
    finally:
        writer.close()


async def test_an_ordinary_request_is_served_also_twice_and_in_pieces() -> None:
    async with serving() as port:
        assert (await said(port, REQUEST + b"\r\n")).startswith(b"HTTP/1.1 200")
        assert (await said(port, b"GET / HT", b"TP/1.1\r\nhost", b": a\r\n", b"\r\n")).startswith(
            b"HTTP/1.1 200"
        )


async def test_a_head_without_end_is_refused_and_not_collected() -> None:
    filler = b"x" * 16_384
    async with serving() as port:
        one = await said(port, REQUEST, b"a: ", *[filler] * (MAX_HEAD_BYTES // len(filler) + 4))
        many = await said(port, REQUEST, *[b"a: b\r\n" * 4_096] * 8)
    assert one.startswith((b"HTTP/1.1 431", b"reset"))
    assert many.startswith((b"HTTP/1.1 431", b"reset"))


async def test_a_body_that_comes_with_its_head_does_not_count_as_head() -> None:
    body = b"y" * (MAX_HEAD_BYTES * 2)
    async with serving() as port:
        answer = await said(port, REQUEST + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_client_that_does_not_ask_in_time_is_sent_away() -> None:
    async with serving(head_s=0.2) as port:
        silent, slow = await asyncio.gather(said(port), said(port, REQUEST))
    assert silent.startswith(b"HTTP/1.1 408")
    assert slow.startswith(b"HTTP/1.1 408")


async def test_what_is_not_http_is_refused_in_our_form() -> None:
    async with serving() as port:
        answer = await said(port, b"\x16\x03\x01 not http\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in answer


async def test_connections_above_the_limit_are_told_so() -> None:
    async with serving(max_connections=1) as port:
        _, first = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0)
        while not (answer := await said(port)).startswith(b"HTTP/1.1 503"):
            assert answer
        first.close()
