"""Server-sent events from bytes, however they were cut: the data of each event, bounded in size.

Only what model servers use of the format: data lines (several make one event), comments and other fields passed over,
LF or CRLF, the blank after the colon optional.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from router_core.errors import UnavailableError

MAX_EVENT_BYTES: Final = 1024 * 1024


class EventReader:
    """Feed it pieces; it gives the data of the events that are complete."""

    __slots__ = ("_data", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Data of the events that `piece` completes, to be taken to the end.

        Raises `UnavailableError` past `MAX_EVENT_BYTES`, after the events before it.
        """
        lines = (self._rest + piece if self._rest else piece).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if (event := self._line(line)) is not None:
                yield event
        self._bound(len(self._rest))

    def end(self) -> Iterator[bytes]:
        """The event that the end of the stream completes, as some servers leave out the last blank line."""
        for line in (self._rest, b""):
            if (event := self._line(line)) is not None:
                yield event
        self._rest = b""

    def _line(self, line: bytes) -> bytes | None:
        """Take in one line; a blank one completes an event."""
        if line.endswith(b"\r"):
            line = line[:-1]
        if line.startswith(b"data:"):
            self._bound(len(line))
            self._size += len(line)
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            return None
        if line or not self._data:
            return None
        event = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._size = 0
        return event

    def _bound(self, more: int) -> None:
        if self._size + more > MAX_EVENT_BYTES:
            raise UnavailableError("the target sent an event that is too large")
