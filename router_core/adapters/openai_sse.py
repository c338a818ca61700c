"""Server-sent events from bytes, however they were cut: the data of each event, bounded in size.

Only what model servers use of the format: data lines (several make one event), comments and other fields passed over,
LF or CRLF, the blank after the colon optional.
"""

from __future__ import annotations

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

    def feed(self, piece: bytes) -> list[bytes]:
        """Data of the events that `piece` completes. Raises `UnavailableError` past `MAX_EVENT_BYTES`."""
        lines = (self._rest + piece if self._rest else piece).split(b"\n")
        self._rest = lines.pop()
        events: list[bytes] = []
        for line in lines:
            self._line(line, events)
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise UnavailableError("the target sent an event that is too large")
        return events

    def end(self) -> list[bytes]:
        """The event that the end of the stream completes, as some servers leave out the last blank line."""
        events: list[bytes] = []
        self._line(self._rest, events)
        self._line(b"", events)
        self._rest = b""
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if line.endswith(b"\r"):
            line = line[:-1]
        if line.startswith(b"data:"):
            self._size += len(line)
            if self._size > MAX_EVENT_BYTES:
                raise UnavailableError("the target sent an event that is too large")
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif not line and self._data:
            events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
            self._data = []
            self._size = 0
