"""What only a socket shows: clients that leave, stall, flood or lie, and others that must not notice."""

from __future__ import annotations

import asyncio
import json

import psutil
import pytest

from router_core.execution import Chunk
from tests.e2e.api.serving import PATIENCE_S, Socket, read_reply, request_bytes, served, until
from tests.unit.gateway.asgi import ADMIN, USER, application
from tests.unit.gateway.scripted import ScriptedRouter

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
INFERENCE = {"input": "x"}


def slow_words(_: object) -> list[Chunk]:
    return [Chunk(text=f"word{i} ") for i in range(10_000)]


def post(path: str, body: object, **more: object) -> bytes:
    fields = {**body, **more} if isinstance(body, dict) else body
    return request_bytes(path, json.dumps(fields).encode(), USER)


@pytest.mark.parametrize(("path", "body"), [("/inference", INFERENCE), ("/v1/chat/completions", CHAT)])
async def test_a_client_that_leaves_a_stream_stops_the_work_behind_it(
    path: str, body: dict[str, object]
) -> None:
    router = ScriptedRouter(pieces=slow_words, wait_s=0.01)  # type: ignore[arg-type] # chunks alone are enough here
    async with served(application(router)) as there:
        reader, writer = await there.connect()
        writer.write(post(path, body, stream=True))
        await reader.readuntil(b"word3")
        writer.close()
        async with asyncio.timeout(PATIENCE_S):
            await router.stopped.wait()
        await until(lambda: not there.app.inflight)


@pytest.mark.parametrize("abrupt", [False, True])
@pytest.mark.parametrize(("path", "body"), [("/inference", INFERENCE), ("/v1/chat/completions", CHAT)])
async def test_a_client_that_leaves_while_it_waits_stops_the_work(
    path: str, body: dict[str, object], abrupt: bool
) -> None:
    router = ScriptedRouter(wait_s=3600.0)
    async with served(application(router)) as there:
        _, writer = await there.connect()
        writer.write(post(path, body))
        await writer.drain()
        await until(lambda: router.asked)
        if abrupt:
            writer.transport.abort()
        else:
            writer.close()
        async with asyncio.timeout(PATIENCE_S):
            await router.stopped.wait()
        await until(lambda: not there.app.inflight)


async def test_a_slow_answer_is_whole_although_the_watcher_was_started_and_the_connection_serves_on() -> None:
    router = ScriptedRouter(wait_s=0.15)
    async with served(application(router)) as there:
        reader, writer = await there.connect()
        for _ in range(3):
            writer.write(post("/inference", INFERENCE))
            status, _, body = await read_reply(reader)
            assert (status, json.loads(body)["status"]) == (200, "completed")
        writer.close()


async def test_a_body_that_trickles_is_given_up() -> None:
    async with served(application(body_timeout_s=0.2)) as there:
        reader, writer = await there.connect()
        writer.write(request_bytes("/inference", b'{"input":', USER, length=100))
        async with asyncio.timeout(PATIENCE_S):
            status, _, _ = await read_reply(reader)
        assert status == 408
        writer.close()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_100_megabytes_is_refused_before_it_is_swallowed(chunked: bool) -> None:
    before = psutil.Process().memory_info().rss
    async with served(application()) as there:
        reader, writer = await there.connect()
        if chunked:
            head = request_bytes("/inference", b"", USER).replace(
                b"content-length: 0", b"transfer-encoding: chunked"
            )
            piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        else:
            head = request_bytes("/inference", b"", USER, length=100_000_000)
            piece = b" " * 0x100000
        writer.write(head)
        flood = asyncio.create_task(pour(writer, piece, 100))
        async with asyncio.timeout(PATIENCE_S):
            status, headers, _ = await read_reply(reader)
        assert (status, headers["connection"]) == (413, "close")
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        writer.transport.abort()
    assert psutil.Process().memory_info().rss - before < 64 * 2**20


async def pour(writer: asyncio.StreamWriter, piece: bytes, times: int) -> None:
    for _ in range(times):
        writer.write(piece)
        await writer.drain()


async def test_100_000_messages_are_refused() -> None:
    many = json.dumps({"messages": [{"role": "user", "content": "hi"}] * 100_000}).encode()
    async with served(application()) as there:
        reader, writer = await there.connect()
        writer.write(request_bytes("/inference", many, USER))
        assert (await read_reply(reader))[0] == 413
        writer.close()


async def test_other_clients_are_served_while_a_hundred_stall() -> None:
    async with served(application()) as there:
        stalled = [await there.connect() for _ in range(100)]
        for _, writer in stalled:
            writer.write(request_bytes("/inference", b'{"input":"x"', USER, length=100))
        reader, writer = await there.connect()
        writer.write(post("/inference", INFERENCE))
        async with asyncio.timeout(PATIENCE_S):
            assert (await read_reply(reader))[0] == 200
        for _, other in (*stalled, (None, writer)):
            other.transport.abort()


@pytest.mark.parametrize(
    "host", [b"a/?x=", b"h/#", b"h/?", b"@evil", b"127.0.0.1/health/liveness", b"", b"\xff"]
)
async def test_a_hostile_host_header_opens_no_admin_path(host: bytes) -> None:
    async with served(application()) as there:
        for line, wanted in ((b"", 401), (b"authorization: Bearer " + USER.encode() + b"\r\n", 403)):
            reader, writer = await there.connect()
            writer.write(b"GET /admin/targets HTTP/1.1\r\nhost: " + host + b"\r\n" + line + b"\r\n")
            status, _, _ = await read_reply(reader)
            assert status in (wanted, 400)
            writer.close()


async def raw(there: Socket, sent: bytes) -> bytes:
    """Everything the server says until it closes or falls silent."""
    reader, writer = await there.connect()
    writer.write(sent)
    found = b""
    try:
        async with asyncio.timeout(1.0):
            while piece := await reader.read(65_536):
                found += piece
    except TimeoutError:
        pass
    writer.close()
    return found


@pytest.mark.parametrize(
    "target", [b"//admin/targets", b"/%61dmin/targets", b"/health/liveness/../../admin/targets", b"http://h/admin/targets",
               b"/admin/targets;x", b"/admin/targets?x=/health/liveness", b"/health/liveness%2f..%2f..%2fadmin%2ftargets"],
)  # fmt: skip
async def test_no_way_of_writing_the_path_opens_an_admin_path(target: bytes) -> None:
    async with served(application()) as there:
        said = await raw(there, b"GET " + target + b" HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        assert said.split(b" ")[1] in (b"400", b"401", b"404")
        assert b'"targets"' not in said


async def test_a_request_within_a_request_is_not_believed() -> None:
    inner = b"GET /admin/targets HTTP/1.1\r\nhost: h\r\nauthorization: Bearer " + ADMIN.encode() + b"\r\n\r\n"
    sent = b"POST /inference HTTP/1.1\r\nhost: h\r\nauthorization: Bearer " + USER.encode() + (
        b"\r\ncontent-type: application/json\r\ncontent-length: %d\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" % len(inner)
    ) + inner  # fmt: skip
    async with served(application()) as there:
        said = await raw(there, sent)
    assert b" 200 " not in said.split(b"\r\n")[0]
