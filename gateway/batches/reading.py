"""Reads a file of JSON Lines line by line: no line and no file is ever larger in memory than its limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.http.bodies import check_depth
from router_core.errors import RequestError, TooLargeError
from router_core.jobs.batches import CHUNK_BYTES, StoredFile
from router_core.jobs.batches_ports import FileContent
from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the next line begins: its offset in the file, how many lines are before it, blank ones included."""

    offset: int = 0
    lines: int = 0


BEGINNING: Final = Place()


class LineCutter:
    """Cuts bytes, however they come, into lines. Raises TooLargeError for a line above the limit."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that `piece` completes, each with its end."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            self._check(line)
            yield line + b"\n"
        self._check(self._rest)

    def end(self) -> bytes:
        """What stands behind the last line's end."""
        rest, self._rest = self._rest, b""
        return rest

    def _check(self, line: bytes) -> None:
        if len(line) > self._max_bytes:
            raise TooLargeError(f"a line of the file is longer than {self._max_bytes} bytes", field="file")


class UploadCheck:
    """What must hold of a file before it is kept: lines that are bounded in length, number and depth. What they say is
    looked at when a batch is made of them."""

    def __init__(self, *, max_line_bytes: int, max_lines: int) -> None:
        self._cutter = LineCutter(max_line_bytes)
        self._max_lines = max_lines
        self.lines = 0

    def feed(self, piece: bytes) -> None:
        """Raises TooLargeError."""
        for line in self._cutter.feed(piece):
            self._one(line)

    def end(self) -> None:
        """Raises RequestError for a file without a line."""
        self._one(self._cutter.end())
        if not self.lines:
            raise RequestError("the file holds no line", field="file")

    def _one(self, line: bytes) -> None:
        if line.strip():
            self.lines += 1
            if self.lines > self._max_lines:
                raise TooLargeError(f"the file has more than {self._max_lines} lines", field="file")
            check_depth(line)


class LineReader:
    """The lines of a stored file, from a place on."""

    def __init__(
        self, content: FileContent, file: StoredFile, max_bytes: int, place: Place = BEGINNING
    ) -> None:
        self._content, self._file, self._max_bytes = content, file, max_bytes
        self.place = place
        self._lines: list[bytes] = []
        self._cutter = LineCutter(max_bytes)
        self._piece, self._skip = divmod(place.offset, CHUNK_BYTES)
        self._over = False

    async def next(self) -> tuple[int, bytes] | None:
        """The next line that is not blank, with its number from 1; None at the end. Raises `StoreError`."""
        while (line := await self._any()) is not None:
            self.place = Place(offset=self.place.offset + len(line), lines=self.place.lines + 1)
            if line.strip():
                return self.place.lines, line.strip()
        return None

    async def _any(self) -> bytes | None:
        while not self._lines and not self._over:
            piece = await self._content.read(self._file, self._piece)
            if piece is None:
                self._over = True
                self._lines = [rest] if (rest := self._cutter.end()) else []
                break
            self._lines = list(self._cutter.feed(piece[self._skip :]))[::-1]
            self._piece, self._skip = self._piece + 1, 0
        return self._lines.pop() if self._lines else None


class PieceWriter:
    """Writes a file in pieces of the one size that readers count on."""

    def __init__(self, content: FileContent, file: StoredFile) -> None:
        self._content, self._file = content, file
        self._parts: list[bytes] = []
        self._held = self._number = 0
        self.bytes = 0

    async def add(self, part: bytes) -> None:
        """Raises `StoreError`."""
        self._parts.append(part)
        self._held += len(part)
        self.bytes += len(part)
        if self._held >= CHUNK_BYTES:
            whole = b"".join(self._parts)
            while len(whole) >= CHUNK_BYTES:
                await self._put(whole[:CHUNK_BYTES])
                whole = whole[CHUNK_BYTES:]
            self._parts, self._held = [whole], len(whole)

    async def end(self) -> None:
        """What is left. Raises `StoreError`."""
        if self._held:
            await self._put(b"".join(self._parts))

    async def _put(self, piece: bytes) -> None:
        await self._content.write(self._file, self._number, piece)
        self._number += 1
