"""An answer that is read while it arrives, and what becomes of its connection when the reader leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

from router_core.adapters.http_connection import Connection

DRAIN_S: Final = 1.0
"""How long the unread end of an answer may take before its connection is dropped instead of kept."""


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
