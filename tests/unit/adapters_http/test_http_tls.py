"""TLS to a target: trusted by name and chain, or not spoken to at all."""

from __future__ import annotations

import asyncio

import pytest

from router_core.adapters.models.http_pool import HttpPool
from router_core.errors import TimeoutTargetError, UnavailableError
from tests.unit.adapters_http.raw_server import Peer, chunked, forever, serving
from tests.unit.adapters_http.tls import client_context, server_context


async def test_a_trusted_target_is_spoken_to_over_one_connection() -> None:
    async with serving(forever, server_context()) as server:
        pool = HttpPool(server.url, tls=client_context())
        bodies = [(await pool.request("POST", "/x", b"", b"{}", timeout_s=5.0)).body for _ in range(3)]
        await pool.aclose()
    assert bodies == [b"0"] * 3


async def test_a_target_with_an_unknown_certificate_gets_no_request() -> None:
    async with serving(forever, server_context()) as server:
        pool = HttpPool(server.url)
        with pytest.raises(UnavailableError, match="TLS"):
            await pool.request("POST", "/x", b"", b"{}", timeout_s=5.0)
        await pool.aclose()
        assert server.requests == []


async def test_a_certificate_for_another_name_gets_no_request() -> None:
    async with serving(forever, server_context()) as server:
        pool = HttpPool(server.url.replace("localhost", "127.0.0.1"), tls=client_context())
        with pytest.raises(UnavailableError, match="TLS"):
            await pool.request("POST", "/x", b"", b"{}", timeout_s=5.0)
        await pool.aclose()
        assert server.requests == []


async def test_a_server_without_tls_is_unavailable() -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as server:
        pool = HttpPool(server.url.replace("http://", "https://"), tls=client_context())
        with pytest.raises(UnavailableError):
            await pool.request("POST", "/x", b"", b"{}", timeout_s=5.0)
        await pool.aclose()


async def test_a_handshake_that_never_ends_is_a_timeout() -> None:
    async def mute(peer: Peer) -> None:
        await peer.reader.read(1)
        await asyncio.Event().wait()

    async with serving(mute) as server:
        url = server.url.replace("http://", "https://")
        pool = HttpPool(url, tls=client_context(), connect_timeout_s=0.1)
        with pytest.raises(TimeoutTargetError, match="connection"):
            await pool.request("POST", "/x", b"", b"{}", timeout_s=30.0)
        await pool.aclose()


async def test_a_stream_left_early_is_dropped_through_tls_too() -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(b"begun")[:-5])
        await peer.reader.readexactly(1)

    async with serving(handle, server_context()) as server:
        pool = HttpPool(server.url, tls=client_context())
        async with await pool.stream("POST", "/x", b"", b"{}", timeout_s=5.0) as reply:
            assert await reply.read(5.0) == b"begun"
        await asyncio.wait_for(server.closed.wait(), 5.0)
        await pool.aclose()
