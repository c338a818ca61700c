"""Decodes the binary framing of `application/vnd.amazon.eventstream` from pieces of any size.

A frame is: total length, header length, CRC-32 of those, headers, payload, CRC-32 of all before. Source: "Amazon Event
Stream specification" of Smithy. The tests compare it with botocore's decoder.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from router_core.errors import UnavailableError

MAX_FRAME_BYTES: Final = 1024 * 1024
_PRELUDE: Final = struct.Struct(">III")
_SHORTEST: Final = 16
_STRING: Final = 7
_BYTES: Final = 6
# Value sizes of the header types without a length of their own: true, false, byte, short, int, long, time, UUID.
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}

Frame = tuple[dict[str, str], bytes]


class FrameReader:
    """Feed it pieces; it gives string headers and payload of the frames that are complete."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """Frames that `piece` completes, to be taken to the end.

        Raises `UnavailableError` for a wrong checksum, form or size, after the frames before it.
        """
        data = self._rest + piece if self._rest else piece
        position = 0
        while len(data) - position >= _PRELUDE.size:
            total, header_size, prelude_crc = _PRELUDE.unpack_from(data, position)
            if zlib.crc32(data[position : position + 8]) != prelude_crc:
                raise _malformed()
            if total > MAX_FRAME_BYTES:
                raise UnavailableError("the target sent an event that is too large")
            if total < _SHORTEST + header_size:
                raise _malformed()
            if len(data) - position < total:
                break
            yield _frame(data[position : position + total], header_size)
            position += total
        self._rest = data[position:]


def _frame(data: bytes, header_size: int) -> Frame:
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise _malformed()
    end = 12 + header_size
    try:
        return _headers(data[12:end]), data[end:-4]
    except (IndexError, KeyError, UnicodeDecodeError):
        raise _malformed() from None


def _headers(block: bytes) -> dict[str, str]:
    """The string headers of a block; others are stepped over."""
    headers: dict[str, str] = {}
    position = 0
    while position < len(block):
        name_end = position + 1 + block[position]
        kind = block[name_end]
        start = name_end + 1
        if kind in (_STRING, _BYTES):
            size = int.from_bytes(block[start : start + 2], "big")
            start += 2
        else:
            size = _FIXED[kind]
        if start + size > len(block):
            raise IndexError
        if kind == _STRING:
            headers[block[position + 1 : name_end].decode()] = block[start : start + size].decode()
        position = start + size
    return headers


def _malformed() -> UnavailableError:
    return UnavailableError("the target's stream is malformed")
