"""What the pool sends and what it believes: framing, bounds, streams, and requests that hold something hostile."""

from __future__ import annotations

import asyncio

import pytest

from router_core.adapters.models.http_pool import HttpPool, Reply
from router_core.adapters.wire.http_connection import HIGH_WATER_BYTES
from router_core.adapters.wire.http_wire import MAX_HEAD_BYTES, encode_headers, parse_origin
from router_core.errors import ConfigurationError, RefusedError, TimeoutTargetError, UnavailableError
from tests.unit.adapters_http.raw_server import OK, Handler, Peer, answering, chunked, forever, ok, serving


async def one(handler: Handler, *, max_bytes: int = 1_000, timeout_s: float = 5.0) -> Reply:
    async with serving(handler) as server:
        pool = HttpPool(server.url)
        try:
            return await pool.request("POST", "/x", b"", b"{}", timeout_s=timeout_s, max_bytes=max_bytes)
        finally:
            await pool.aclose()


# ---- requests --------------------------------------------------------------------------------------------------------


async def test_a_request_is_what_it_should_be() -> None:
    async with serving(forever) as server:
        pool = HttpPool(server.url + "/v1")
        await pool.request("POST", "/v1/chat", {"x-a": "b"}, b'{"a":1}', timeout_s=5.0)
        await pool.request("GET", "/health", b"", None, timeout_s=5.0)
        await pool.aclose()
    host = server.url.removeprefix("http://").encode()
    ours = b"host: " + host + b"\r\nuser-agent: tierwise\r\naccept-encoding: identity\r\n"
    assert server.requests == [
        b"POST /v1/chat HTTP/1.1\r\n" + ours + b'x-a: b\r\ncontent-length: 7\r\n\r\n{"a":1}',
        b"GET /health HTTP/1.1\r\n" + ours + b"\r\n",
    ]


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b", "\r\n", "snow ☃"])
def test_a_header_cannot_start_another_line(value: str) -> None:
    with pytest.raises(RefusedError):
        encode_headers({"x-a": value})
    with pytest.raises(RefusedError):
        encode_headers({value: "a"})


@pytest.mark.parametrize("path", ["/a b", "/a\r\nx: y", "/a\tb", "/ä", "/a\x7f"])
async def test_a_path_cannot_start_another_request(path: str) -> None:
    pool = HttpPool("http://127.0.0.1:1")
    with pytest.raises(RefusedError):
        await pool.request("GET", path, b"", None, timeout_s=1.0)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://10.0.0.5:8000/v1", "10.0.0.5:8000", "/v1"),
        ("http://node:80/v1/", "node", "/v1"),
        ("https://node", "node", ""),
        ("https://node:8443/a/b", "node:8443", "/a/b"),
        ("http://[::1]:8000", "[::1]:8000", ""),
    ],
)
def test_an_origin_is_read_from_a_base_url(url: str, authority: str, path: str) -> None:
    origin = parse_origin(url)
    assert (origin.authority, origin.path, origin.tls) == (authority, path, url.startswith("https"))


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "x", "http://", "http://user:hunter2@h/", "http://h/?a=1", "http://h/#f", "http://h:99999", "http://h/a b", "http://h\u00e4/"],
)  # fmt: skip
def test_a_base_url_that_could_surprise_is_refused_at_start(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HttpPool(url)
    assert "hunter2" not in str(caught.value)


# ---- framing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        ok(b"hello"),
        chunked(b"hel", b"lo"),
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nx: y\r\n\r\n" + ok(b"hello"),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
    ],
)
async def test_every_framing_gives_the_same_body(reply: bytes) -> None:
    assert (await one(answering(reply))).body == b"hello"


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_answers_may_come_in_any_pieces(size: int) -> None:
    reply = chunked(b"hel", b"lo")

    async def handle(peer: Peer) -> None:
        await peer.request()
        for start in range(0, len(reply), size):
            await peer.send(reply[start : start + size])
            await asyncio.sleep(0)

    assert (await one(handle)).body == b"hello"


async def test_headers_are_lower_case_and_trailers_do_not_replace_them() -> None:
    reply = (
        b"HTTP/1.1 200 OK\r\nRetry-After: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\nretry-after: 9\r\n\r\n"
    )
    assert (await one(answering(reply))).headers[b"retry-after"] == b"3"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_is_complete(status: int) -> None:
    assert (await one(answering(b"HTTP/1.1 %d X\r\n\r\n" % status))).body == b""


async def test_the_body_of_an_error_is_read() -> None:
    reply = await one(answering(ok(b"why").replace(b"200 OK", b"404 No")))
    assert (reply.status, reply.body) == (404, b"why")


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_an_answer_that_is_cut_or_wrong_is_unavailable(reply: bytes) -> None:
    with pytest.raises(UnavailableError):
        await one(answering(reply))


# ---- bounds ----------------------------------------------------------------------------------------------------------


async def _endless_header(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.send(b"x-a: b\r\n" * 500)


async def _endless_name(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.send(b"x" * MAX_HEAD_BYTES)


async def _endless_interim(peer: Peer) -> None:
    await peer.request()
    while True:
        await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)


async def _endless_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await peer.send(b"x" * 1_000)


async def _endless_extension(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;")
    while True:
        await peer.send(b"x" * 1_000)


async def _endless_trailers(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n")
    while True:
        await peer.send(b"x-a: b\r\n" * 500)


@pytest.mark.parametrize(
    "handler",
    [_endless_header, _endless_name, _endless_interim, _endless_body, _endless_extension, _endless_trailers],
)
async def test_an_endless_answer_is_cut_off(handler: Handler) -> None:
    with pytest.raises(UnavailableError):
        await one(handler)


async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    assert len((await one(answering(ok(b"x" * 1_000)))).body) == 1_000
    for reply in (ok(b"x" * 1_001), chunked(b"x" * 1_001), b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_001):
        with pytest.raises(UnavailableError, match="too large"):
            await one(answering(reply))


async def test_a_body_that_trickles_is_bounded_by_the_whole_timeout() -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.02)

    with pytest.raises(TimeoutTargetError):
        await one(handle, timeout_s=0.2)


# ---- streams ---------------------------------------------------------------------------------------------------------


async def test_a_stream_gives_bytes_as_they_come_and_keeps_its_connection() -> None:
    go_on = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await go_on.wait()
        await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await forever(peer)

    async with serving(handle) as server:
        pool = HttpPool(server.url)
        async with await pool.stream("POST", "/x", b"", b"{}", timeout_s=5.0) as reply:
            assert await reply.read(5.0) == b"one"
            go_on.set()
            assert await reply.read(5.0) == b"two"
            assert await reply.read(5.0) == b""
        await pool.request("POST", "/x", b"", b"{}", timeout_s=5.0)
        await pool.aclose()
    assert server.connections == 1


async def test_a_reader_that_has_enough_lets_the_rest_pass_and_keeps_the_connection() -> None:
    rest = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await rest.wait()
        await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await forever(peer)

    async with serving(handle) as server:
        pool = HttpPool(server.url, max_connections=1)
        async with await pool.stream("POST", "/x", b"", b"{}", timeout_s=5.0) as reply:
            assert await reply.read(5.0) == b"one"
            reply.finish()
        rest.set()
        assert (await pool.request("POST", "/x", b"", b"{}", timeout_s=5.0)).body == b"0"
        await pool.aclose()
    assert server.connections == 1


async def test_a_rest_that_does_not_end_costs_the_connection_not_the_place() -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        if peer.number > 0:
            await peer.send(OK)
            return
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"3e8\r\n" + b"x" * 1_000 + b"\r\n")
            await asyncio.sleep(0)

    async with serving(handle) as server:
        pool = HttpPool(server.url, max_connections=1)
        async with await pool.stream("POST", "/x", b"", b"{}", timeout_s=5.0) as reply:
            await reply.read(5.0)
            reply.finish()
        assert (await pool.request("POST", "/x", b"", b"{}", timeout_s=5.0)).body == b"ok"
        await server.closed.wait()
        await pool.aclose()


async def test_a_slow_reader_makes_the_sender_wait() -> None:
    """Back-pressure: far less than what is on offer leaves the sender while nobody reads."""
    sent = 0
    total = 32 * 1024 * 1024

    async def handle(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while sent < total:
            await peer.send(b"x" * 65_536)
            sent += 65_536

    async with serving(handle) as server:
        pool = HttpPool(server.url)
        async with await pool.stream("POST", "/x", b"", b"{}", timeout_s=5.0, max_bytes=total) as reply:
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.05)
            assert HIGH_WATER_BYTES <= sent < total
            size = 0
            while piece := await reply.read(5.0):
                size += len(piece)
            assert size == total
        await pool.aclose()


async def test_leaving_a_stream_early_drops_the_connection() -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nbegun")
        await peer.reader.readexactly(1)

    async with serving(handle) as server:
        pool = HttpPool(server.url)
        async with await pool.stream("POST", "/x", b"", b"{}", timeout_s=5.0) as reply:
            assert await reply.read(5.0) == b"begun"
        await asyncio.wait_for(server.closed.wait(), 5.0)
        await pool.aclose()


async def test_silence_in_a_stream_is_bounded_per_read() -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nbegun")
        await peer.reader.readexactly(1)

    async with serving(handle) as server:
        pool = HttpPool(server.url)
        async with await pool.stream("POST", "/x", b"", b"{}", timeout_s=60.0) as reply:
            assert await reply.read(60.0) == b"begun"
            with pytest.raises(TimeoutTargetError, match="in the middle"):
                await reply.read(0.05)
        await pool.aclose()
