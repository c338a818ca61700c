"""The binary framing of `application/vnd.amazon.eventstream`, as Bedrock's streams use it.

A frame is: total length, header length, CRC-32 of those two, headers, payload, CRC-32 of everything before.
Source: the event stream encoding of the Smithy specification, and botocore's parser, which the tests use to
read these frames back.
"""

from __future__ import annotations

import struct
import zlib

import orjson

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame with string headers."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return body + struct.pack(">I", zlib.crc32(body))


def _header(name: str, value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(encoded)) + encoded


def event(kind: str, payload: object) -> bytes:
    """An ordinary event such as `contentBlockDelta`."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, orjson.dumps(payload))


def exception(kind: str, message: str) -> bytes:
    """A modeled exception inside the stream such as `throttlingException`; the stream ends after it."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, orjson.dumps({"message": message}))
