"""One record as one line that proves itself: `<crc32, 8 hex> <bytes> <JSON>\\n`.

Decides what counts as a good record. A torn or altered line fails its length or its checksum and is never read as
good; the reader goes on at the next line, because JSON holds no raw line feed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

import orjson

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
"""Longest line: a snapshot of some ten thousand targets."""
_CRC: Final = 8


def encode(record: Mapping[str, Any]) -> bytes:
    """The framed line. Floats keep every bit; NaN and infinities become null, as JSON has none.

    Raises ValueError when the record has no JSON form or is longer than `MAX_FRAME_BYTES`.
    """
    body = to_json(record)
    frame = b"%08x %d %b\n" % (crc32(body), len(body), body)
    if len(frame) > MAX_FRAME_BYTES:
        raise ValueError("the record is too long")
    return frame


def to_json(record: Mapping[str, Any]) -> bytes:
    """The record's JSON as every sink writes it. Raises ValueError when it has none."""
    try:
        return orjson.dumps(record, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    except (TypeError, RecursionError) as error:
        raise ValueError("the record has no JSON form") from error


def decode(line: bytes) -> dict[str, Any] | None:
    """The record of one line with its line feed, or None when anything about it is wrong."""
    end = line.find(b" ", _CRC + 1)
    if end < 0 or line[_CRC : _CRC + 1] != b" " or not line.endswith(b"\n"):
        return None
    body = line[end + 1 : -1]
    # Compared as text, not as numbers: a changed letter case or a leading zero is damage, too.
    if line[_CRC + 1 : end] != b"%d" % len(body) or line[:_CRC] != b"%08x" % crc32(body):
        return None
    try:
        record = orjson.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(type(value).__name__)
