"""Measures what one model call costs us in CPU, by HTTP client: our pool, pyreqwest, and the whole adapter.

Run it with `python -m benchmarks.upstream_client`. The server is a process of its own that answers from memory, so
the CPU counted (user and system time of this process) is the client's. Ratios within one run are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Final, cast

import orjson
import uvloop

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.openai_http import OpenAIModel
from router_core.inference import Params
from router_core.ports import ModelCall

TEXT: Final = "Edge nodes answer what phones cannot, and the cloud answers the rest of it. " * 2
ANSWER: Final = orjson.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}],
        "usage": {"prompt_tokens": 44, "completion_tokens": 36, "total_tokens": 80},
    }
)  # fmt: skip
CHUNKS: Final = 64
CALL: Final = ModelCall(
    request_id="bench",
    model="m",
    messages=({"role": "user", "content": "What does an edge node do? " * 8},),
    params=Params(max_tokens=64),
    task="chat",
    timeout_s=10.0,
)
HEADERS: Final = {"content-type": "application/json", "authorization": "Bearer key"}
BODY: Final = orjson.dumps({"model": "m", "messages": CALL.messages, "max_tokens": 64})
STREAMED: Final = orjson.dumps({"model": "m", "messages": CALL.messages, "stream": True})
STREAM: Final = f"{{}}, a stream of {CHUNKS} chunks"
Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """CPU microseconds and wall microseconds per call of one client."""

    client: str
    concurrency: int
    cpu_us: float
    wall_us: float


class _Server(asyncio.Protocol):
    """Answers every POST; a body that asks for a stream gets one, each chunk in a write of its own."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the type
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(body) < length:
            return
        self._buffer = body[length:]
        if b'"stream":true' in body:
            self._streaming = asyncio.ensure_future(self._stream())
        else:
            start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(start % len(ANSWER) + ANSWER)

    async def _stream(self) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for number in range(CHUNKS):
            reason = "stop" if number == CHUNKS - 1 else None
            choice = {"index": 0, "delta": {"content": " word"}, "finish_reason": reason}
            event = b"data: %b\n\n" % orjson.dumps({"id": "c", "object": "chunk", "choices": [choice]})
            self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            await asyncio.sleep(0)
        self._transport.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


def _serve(pipe: Connection) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _measure(client: str, work: Work, calls: int, concurrency: int) -> Figure:
    async def worker(count: int) -> None:
        for _ in range(count):
            await work()

    await worker(min(200, calls))
    cpu, wall = _cpu_s(), time.perf_counter()
    await asyncio.gather(*(worker(calls // concurrency) for _ in range(concurrency)))
    cpu, wall = _cpu_s() - cpu, time.perf_counter() - wall
    return Figure(
        client=client, concurrency=concurrency, cpu_us=1e6 * cpu / calls, wall_us=1e6 * wall / calls
    )


async def _pyreqwest(stack: AsyncExitStack, url: str) -> dict[str, Work]:
    from pyreqwest.client import ClientBuilder

    client = await stack.enter_async_context(ClientBuilder().build())
    target = f"{url}/chat/completions"

    async def post() -> bytes:
        reply = await client.post(target).headers(HEADERS).body_bytes(BODY).build().send()
        return bytes(await reply.bytes())

    async def stream() -> None:
        request = (
            client.post(target)
            .headers(HEADERS)
            .body_bytes(STREAMED)
            .streamed_read_buffer_limit(0)
            .build_streamed()
        )
        async with request as reply:
            while await reply.body_reader.read_chunk() is not None:
                pass

    return {"pyreqwest": post, STREAM.format("pyreqwest"): stream}


async def _clients(stack: AsyncExitStack, url: str) -> dict[str, Work]:
    pool = HttpPool(url)
    stack.push_async_callback(pool.aclose)
    model = OpenAIModel(pool, model="m", api_key="key")
    path = "/v1/chat/completions"

    async def stream() -> None:
        async with await pool.stream("POST", path, HEADERS, STREAMED, timeout_s=10.0) as reply:
            while await reply.read(10.0):
                pass

    async def stream_model() -> None:
        async for _ in model.stream(CALL):
            pass

    work: dict[str, Work] = {
        "own pool": lambda: pool.request("POST", path, HEADERS, BODY, timeout_s=10.0),
        STREAM.format("own pool"): stream,
    }
    if find_spec("pyreqwest") is not None:
        work |= await _pyreqwest(stack, url)
    work["OpenAIModel.generate on own pool"] = lambda: model.generate(CALL)
    work[STREAM.format("OpenAIModel.stream on own pool")] = stream_model
    return work


async def measure(url: str, calls: int, concurrencies: Sequence[int]) -> list[Figure]:
    """Figures of every client at every concurrency against the server at `url`."""
    figures = []
    async with AsyncExitStack() as stack:
        for client, work in (await _clients(stack, url)).items():
            count = calls // 8 if "stream" in client else calls
            figures += [await _measure(client, work, count, concurrency) for concurrency in concurrencies]
    return figures


def main() -> None:
    """Start the server, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=16_000)
    calls = parser.parse_args().calls
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        figures = uvloop.run(measure(f"http://127.0.0.1:{ours.recv()}/v1", calls, (1, 32)))
    finally:
        server.terminate()
        server.join()
    print("| client | concurrency | CPU per call | wall per call |\n|---|---|---|---|")
    for one in figures:
        print(f"| {one.client} | {one.concurrency} | {one.cpu_us:.0f} us | {one.wall_us:.0f} us |")


if __name__ == "__main__":
    main()
