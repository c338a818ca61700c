"""The application on a real socket, served by uvicorn inside the test's own loop, so that a test sees both ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn

from gateway.http.edge import Gateway

PATIENCE_S = 10.0
"""How long a test waits for what must happen: far above what it takes, so that a slow machine does not fail it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """Where the application listens, and the application."""

    port: int
    app: Gateway

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


async def until(condition: Callable[[], object]) -> None:
    """Waits until the condition holds; raises TimeoutError when it doesn't within PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of events
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(app: Gateway) -> AsyncIterator[Socket]:
    """Listens on a free port until the block ends."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", access_log=False, http="httptools", lifespan="on",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Socket(port=port, app=app)
    finally:
        server.should_exit = True
        await task


def request_bytes(path: str, body: bytes, key: str, *, length: int | None = None, extra: str = "") -> bytes:
    """A POST as it goes over the wire; `length` lies about the body when given."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body) if length is None else length}\r\n{extra}\r\n"
    )
    return head.encode() + body


async def read_reply(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer with a length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
    return int(head[0].split(" ")[1]), headers, await reader.readexactly(int(headers["content-length"]))
