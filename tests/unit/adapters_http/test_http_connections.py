"""Which connection serves a call: reuse, limits, fairness, idle time, and the one retry that keep-alive needs."""

from __future__ import annotations

import asyncio

import pytest

from router_core.adapters.models.http_pool import HttpPool, Reply
from router_core.adapters.wire.http_connection import Connection
from router_core.errors import TimeoutTargetError, UnavailableError
from tests.unit.adapters_http.raw_server import OK, Peer, answering, forever, ok, serving


async def get(pool: HttpPool, timeout_s: float = 5.0) -> Reply:
    return await pool.request("POST", "/x", b"", b"{}", timeout_s=timeout_s)


async def test_a_connection_is_used_again() -> None:
    async with serving(forever) as server:
        pool = HttpPool(server.url)
        assert [(await get(pool)).body for _ in range(5)] == [b"0"] * 5
        await pool.aclose()
    assert server.connections == 1


async def test_the_most_recently_used_connection_is_taken_first() -> None:
    """So that after a peak the surplus ages and can be closed."""
    release = asyncio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await release.wait()
        await peer.send(ok(b"%d" % peer.number))
        await forever(peer)

    async with serving(handle) as server:
        pool = HttpPool(server.url)
        first = asyncio.create_task(get(pool))
        await server.arrived.wait()
        assert (await get(pool)).body == b"1"
        release.set()
        assert (await first).body == b"0"
        assert [(await get(pool)).body for _ in range(3)] == [b"0"] * 3
        await pool.aclose()


async def test_no_more_connections_are_opened_than_allowed_and_callers_are_served_in_order() -> None:
    finished: list[int] = []

    async with serving(forever) as server:
        pool = HttpPool(server.url, max_connections=2)

        async def call(number: int) -> None:
            await get(pool)
            finished.append(number)

        await asyncio.gather(*(call(number) for number in range(20)))
        await pool.aclose()
    assert server.connections == 2
    # Two at a time: nobody is overtaken by more than the one beside it.
    assert all(abs(position - number) <= 1 for position, number in enumerate(finished))


async def test_waiting_for_a_connection_is_part_of_the_timeout() -> None:
    async with serving(_silent) as server:
        pool = HttpPool(server.url, max_connections=1)
        holder = asyncio.create_task(get(pool, timeout_s=30.0))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutTargetError, match="no connection"):
            await get(pool, timeout_s=0.05)
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        await pool.aclose()


async def _silent(peer: Peer) -> None:
    await peer.request()
    await peer.reader.readexactly(1)


async def test_a_waiting_caller_that_leaves_takes_no_connection_with_it() -> None:
    """Cancelled in the very moment the connection was handed over: the next in line gets it."""
    async with serving(forever) as server:
        pool = HttpPool(server.url, max_connections=1)
        calls: list[asyncio.Task[Reply]] = []

        async def first() -> Reply:
            reply = await get(pool)
            calls[1].cancel()
            return reply

        calls += [asyncio.create_task(call) for call in (first(), get(pool), get(pool), get(pool))]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(ended[1], asyncio.CancelledError)
        assert [one.body for one in ended if isinstance(one, Reply)] == [b"0"] * 3
        assert (await get(pool, timeout_s=1.0)).status == 200
        await pool.aclose()
    assert len(server.requests) == 4


async def test_a_waiting_caller_that_leaves_early_is_skipped() -> None:
    async with serving(forever) as server:
        pool = HttpPool(server.url, max_connections=1)
        calls = [asyncio.create_task(get(pool)) for _ in range(4)]
        await asyncio.sleep(0)
        calls[2].cancel()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(one, Reply) for one in ended] == [True, True, False, True]
        await pool.aclose()
    assert len(server.requests) == 3


async def test_a_cancelled_call_frees_its_place() -> None:
    async def handle(peer: Peer) -> None:
        await (_silent if peer.number == 0 else forever)(peer)

    async with serving(handle) as server:
        pool = HttpPool(server.url, max_connections=1)
        first = asyncio.create_task(get(pool))
        await server.arrived.wait()
        first.cancel()
        assert (await get(pool)).body == b"1"
        await server.closed.wait()
        await pool.aclose()


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with serving(forever) as server:
        pool = HttpPool(server.url, idle_s=0.05)
        await get(pool)
        await asyncio.wait_for(server.closed.wait(), 5.0)
        assert (await get(pool)).body == b"1"
        await pool.aclose()


async def test_a_connection_the_peer_closed_while_idle_is_not_used() -> None:
    async with serving(answering(OK)) as server:
        pool = HttpPool(server.url)
        for _ in range(3):
            assert (await get(pool)).body == b"ok"
            await asyncio.sleep(0.02)
        await pool.aclose()
    assert server.connections == len(server.requests) == 3


async def test_a_connection_that_dies_under_a_request_is_replaced_once() -> None:
    """Keep-alive's race: the peer closes an idle connection while the request is on its way."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        if peer.number > 0:
            await peer.send(ok(b"second"))
            await forever(peer)

    async with serving(handle) as server:
        pool = HttpPool(server.url)
        assert (await get(pool)).body == b"ok"
        assert (await get(pool)).body == b"ok"  # the request met the dying connection 0 and went again to 1
        assert (await get(pool)).body == b"second"
        await pool.aclose()
    assert server.connections == 2
    assert len(server.requests) == 4


async def test_a_fresh_connection_that_dies_without_an_answer_is_not_retried() -> None:
    async with serving(_hangs_up) as server:
        pool = HttpPool(server.url)
        with pytest.raises(UnavailableError, match="without an answer"):
            await get(pool)
        await pool.aclose()
    assert len(server.requests) == 1


async def _hangs_up(peer: Peer) -> None:
    await peer.request()


async def test_a_request_is_not_sent_again_once_an_answer_has_begun() -> None:
    async with serving(answering(OK, b"HTTP/1.1 200 OK\r\n")) as server:
        pool = HttpPool(server.url)
        await get(pool)
        with pytest.raises(UnavailableError, match="in the middle"):
            await get(pool)
        await pool.aclose()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "reply", [OK.replace(b"ok", b"okHTTP/1.1 200 OK\r\n"), OK + ok(b"stolen"), OK + b"x"]
)
async def test_bytes_nobody_asked_for_end_the_connection(reply: bytes) -> None:
    """An answer sent ahead must never be taken for the answer to the next request."""
    async with serving(answering(reply, ok(b"later"))) as server:
        pool = HttpPool(server.url)
        assert (await get(pool)).body == b"ok"
        assert (await get(pool)).body == b"ok"
        await pool.aclose()
    assert server.connections == 2


async def test_bytes_that_arrive_while_idle_end_the_connection() -> None:
    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(ok(b"%d" % peer.number))
        if peer.number == 0:
            await asyncio.sleep(0.01)
            await peer.send(ok(b"stolen"))
        await forever(peer)

    async with serving(handle) as server:
        pool = HttpPool(server.url)
        assert (await get(pool)).body == b"0"
        await asyncio.wait_for(server.closed.wait(), 5.0)
        assert (await get(pool)).body == b"1"
        await pool.aclose()


@pytest.mark.parametrize("header", [b"connection: close\r\n", b"Connection: Close\r\n"])
async def test_a_peer_that_wants_to_close_is_believed(header: bytes) -> None:
    reply = b"HTTP/1.1 200 OK\r\n" + header + b"content-length: 2\r\n\r\nok"
    async with serving(answering(reply, ok(b"never"))) as server:
        pool = HttpPool(server.url)
        assert [(await get(pool)).body for _ in range(2)] == [b"ok", b"ok"]
        await pool.aclose()
    assert server.connections == 2


async def test_closing_the_pool_ends_calls_in_flight_and_refuses_new_ones() -> None:
    async with serving(_silent) as server:
        pool = HttpPool(server.url, max_connections=1)
        calls = [asyncio.create_task(get(pool)) for _ in range(3)]
        await server.arrived.wait()
        await pool.aclose()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in ended] == [UnavailableError] * 3
        with pytest.raises(UnavailableError, match="closed"):
            await get(pool)
        await pool.aclose()


async def test_a_host_that_does_not_resolve_is_unavailable() -> None:
    for host in ("nowhere.invalid", "x" * 64 + ".invalid"):
        pool = HttpPool(f"http://{host}:1")
        with pytest.raises(UnavailableError, match="could not be reached"):
            await get(pool)
        await pool.aclose()


async def test_a_connection_on_its_way_to_a_caller_is_the_callers_alone() -> None:
    """Lost between hand-over and use, it must not give its place back twice."""
    settled: list[Connection] = []
    for claimed in (False, True):
        connection = Connection(asyncio.get_running_loop(), settled.append)
        connection.rest(0.0)
        if claimed:
            connection.claim()
        connection.connection_lost(None)
        assert settled == ([] if claimed else [connection])
        settled.clear()
