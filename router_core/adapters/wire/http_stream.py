"""An answer that is read while it arrives: its bytes, its chunks, and what becomes of its connection afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, Protocol, Self

from router_core.adapters.wire.http_connection import Connection
from router_core.errors import TargetError
from router_core.execution import Chunk
from router_core.ports import ModelCall

DRAIN_S: Final = 1.0
"""How long the unread end of an answer may take before its connection is dropped instead of kept."""
_MAX_ERROR_BYTES: Final = 65_536
_ERROR_READ_S: Final = 2.0
TAIL_S: Final = 2.0
"""How long usage and end marks may follow the last finish reason; the answer is whole without them."""


class HttpStream:
    """An answer whose body is read piece by piece. Leaving it early drops the connection at once."""

    __slots__ = ("_connection", "_done", "_release", "headers", "status")

    def __init__(self, connection: Connection, release: Callable[[Connection], None]) -> None:
        self._release = release
        self._connection = connection
        self._done = False
        self.status = connection.status
        self.headers: Mapping[bytes, bytes] = connection.headers

    async def read(self, timeout_s: float) -> bytes:
        """The next bytes, b"" at the end. Raises `TimeoutTargetError` after `timeout_s` without any."""
        return await self._connection.piece(asyncio.get_running_loop().time() + timeout_s)

    async def read_all(self, timeout_s: float, max_bytes: int) -> bytes:
        """What is left, cut at `max_bytes`; for bodies of errors."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        body = b""
        while len(body) < max_bytes and (piece := await self._connection.piece(deadline)):
            body += piece
        return body[:max_bytes]

    async def told(self) -> bytes:
        """The body of an error, short and soon, or nothing: the status says enough."""
        try:
            return await self.read_all(_ERROR_READ_S, _MAX_ERROR_BYTES)
        except TargetError:
            return b""

    def finish(self) -> None:
        """The reader has what it needs: the connection is kept once the answer's last bytes have passed."""
        if self._done:
            return
        self._done = True
        if self._connection.complete or self._connection.error is not None:
            self._release(self._connection)
        else:
            self._connection.drain(DRAIN_S)

    def close(self) -> None:
        """Done with it: an answer not read to its end is dropped, and the peer notices."""
        if not self._done:
            self._done = True
            self._release(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AnswerReader(Protocol):
    """Understands the bytes of one streamed answer. `done`: nothing more belongs to it. `finished`: nothing of its
    content can be missing. `error`: why nothing more can be read; set by `feed` beside the chunks before it."""

    done: bool
    error: TargetError | None

    @property
    def finished(self) -> bool: ...

    def feed(self, piece: bytes) -> list[Chunk]: ...

    def finish(self) -> list[Chunk]: ...


Opening = Callable[[ModelCall], Awaitable[tuple[HttpStream, AnswerReader]]]


async def read_chunks(start: Opening, call: ModelCall) -> AsyncGenerator[Chunk, None]:
    """The chunks of one answer as they come, usage last. Closing it early drops the connection, which stops the server.

    `call.timeout_s` bounds the time to the first chunk, `call.idle_s` the gaps between later ones, the consumer's own
    time not counted. What was received before a failure is yielded before its `TargetError` is raised.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + call.timeout_s
    reply, reader = await start(call)
    async with reply:
        while not reader.done:
            piece = await _read(reply, reader, deadline - now())
            chunks = reader.feed(piece)
            for chunk in chunks:
                yield chunk
            if reader.error is not None:
                raise reader.error
            if not piece:
                break
            if chunks:
                deadline = now() + (min(call.idle_s, TAIL_S) if reader.finished else call.idle_s)
        rest = reader.finish()
        reply.finish()
        for chunk in rest:
            yield chunk


async def _read(reply: HttpStream, reader: AnswerReader, timeout_s: float) -> bytes:
    """The next bytes; whatever goes wrong behind the last finish reason is the end."""
    try:
        return await reply.read(timeout_s)
    except TargetError:
        if reader.finished:
            return b""
        raise
