"""The model server that stands behind every gateway: answers at once from memory, or streams at a steady pace.

A raw protocol on uvloop, so that it costs as little as Python can. nginx takes its place for answers that are not
streamed, where it is installed. Each chunk of a stream carries the monotonic time at which it was written, which
every process on the machine reads the same. Run it with `python -m benchmarks.upstream PORT [SECONDS]`;
whole answers then come so many seconds late.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Final, cast

import uvloop

PACE_S: Final = 0.02
TEXT: Final = "Edge nodes answer what phones cannot, and the cloud answers the rest of it, at a price."
ANSWER: Final = json.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "mock",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}],
        "usage": {"prompt_tokens": 44, "completion_tokens": 20, "total_tokens": 64},
    },
    separators=(",", ":"),
)  # fmt: skip
PAGES: Final = {
    "/health": "{}",
    "/v1/models": '{"object":"list","data":[{"id":"mock","object":"model","created":0,"owned_by":"bench"}]}',
    "/metrics": "",
    "/v1/chat/completions": ANSWER,
}
_CHAT: Final = "/v1/chat/completions"
_MAX_BODY: Final = 1 << 20
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STREAM: Final = re.compile(rb'"stream": *true')
_TOKENS: Final = re.compile(rb'"max_(?:completion_)?tokens": *(\d+)')
_CHUNK: Final = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"mock","choices":'
    '[{"index":0,"delta":{%s},"finish_reason":%s}]}\n\n'
)


class Upstream(asyncio.Protocol):
    """One connection, whose whole answers come `late_s` after their requests. `max_tokens` of a streamed request is the
    number of chunks, one each 20 ms from the first."""

    def __init__(self, late_s: float = 0.0) -> None:
        self._late_s = late_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the type
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if size > _MAX_BODY:
            self._transport.close()
        if not found or len(body) < size:
            return
        self._buffer = body[size:]
        if _STREAM.search(body):
            tokens = _TOKENS.search(body)
            self._begin(int(tokens[1]) if tokens else 16)
        else:
            path = head.split(b" ", 2)[1].decode()
            page = PAGES.get(path, "{}").encode()
            start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._later(start % len(page) + page, self._late_s if path == _CHAT else 0.0)

    def _later(self, answer: bytes, late_s: float) -> None:
        if late_s:
            asyncio.get_running_loop().call_later(late_s, self._transport.write, answer)
        else:
            self._transport.write(answer)

    def _begin(self, chunks: int) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        self._step(asyncio.get_running_loop().time(), 0, chunks)

    def _step(self, due: float, number: int, chunks: int) -> None:
        """Write one chunk and set the next at its own time, so that a late one does not delay all after it."""
        if number < chunks:
            self._write(_CHUNK % (f'"content":" t{time.monotonic_ns()}"', "null"))
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(due + PACE_S, self._step, due + PACE_S, number + 1, chunks)
            return
        self._write(_CHUNK % ("", '"stop"') + "data: [DONE]\n\n")
        self._transport.write(b"0\r\n\r\n")

    def _write(self, event: str) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(event), event.encode()))


async def serve(port: int, late_s: float = 0.0) -> None:
    """Listen on the port of 127.0.0.1 until the process is stopped."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(late_s), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), *map(float, sys.argv[2:])))
