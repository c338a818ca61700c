"""The event stream decoder compared with botocore's, over any cut and any damaged byte."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.eventstream import event, exception, frame
from router_core.adapters.wire.eventstream import MAX_FRAME_BYTES, Frame, FrameReader
from router_core.errors import UnavailableError

STREAM = event("messageStart", {"role": "assistant"}) + event(
    "contentBlockDelta", {"delta": {"text": "Grüße"}}
)
STREAM += exception("throttlingException", "slow down")


def decode(*pieces: bytes) -> list[Frame]:
    reader = FrameReader()
    return [found for piece in pieces for found in reader.feed(piece)]


def reference(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer: Any = EventStreamBuffer()
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


names = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=20)


@given(
    st.lists(
        st.tuples(st.dictionaries(names, st.text(max_size=30), max_size=4), st.binary(max_size=100)),
        max_size=4,
    )
)
def test_frames_are_read_as_botocore_reads_them(content: list[tuple[dict[str, str], bytes]]) -> None:
    data = b"".join(frame(headers, payload) for headers, payload in content)
    assert decode(data) == reference(data) == content


@given(st.lists(st.integers(1, 60), max_size=20))
def test_where_the_bytes_are_cut_does_not_matter(sizes: list[int]) -> None:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(STREAM[start : start + size])
        start += size
    assert decode(*pieces, STREAM[start:]) == decode(STREAM)


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_a_damaged_byte_never_gives_a_changed_frame(position: int, flip: int) -> None:
    damaged = bytearray(STREAM)
    damaged[position] ^= flip
    reader = FrameReader()
    seen: list[Frame] = []
    try:
        for found in reader.feed(bytes(damaged)):
            seen.append(found)
    except UnavailableError:
        pass
    good = decode(STREAM)
    assert seen == good[: len(seen)]
    assert len(seen) < len(good)


def test_headers_of_every_type_are_stepped_over() -> None:
    """Encoded by hand from the specification: true, false, byte, short, int, long, bytes, time, UUID, then a string."""
    values = [(0, b""), (1, b""), (2, b"a"), (3, b"ab"), (4, b"abcd"), (5, b"8 bytes!"),
              (6, b"\x00\x03abc"), (8, b"8 bytes!"), (9, b"sixteen bytes!!!"), (7, b"\x00\x02ok")]  # fmt: skip
    block = b"".join(b"\x01" + bytes([97 + kind]) + bytes([kind]) + value for kind, value in values)
    prelude = struct.pack(">II", 16 + len(block) + 2, len(block))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + b"{}"
    data += struct.pack(">I", zlib.crc32(data))
    assert decode(data) == [({"h": "ok"}, b"{}")]
    assert reference(data)[0][0]["h"] == "ok"


def with_prelude(total: int, headers: int) -> bytes:
    prelude = struct.pack(">II", total, headers)
    return prelude + struct.pack(">I", zlib.crc32(prelude)) + b"\x00" * 64


@pytest.mark.parametrize(
    ("total", "headers"), [(15, 0), (0, 0), (16, 1), (100, 85), (MAX_FRAME_BYTES + 1, 0), (2**32 - 1, 0)]
)
def test_impossible_lengths_are_refused_before_waiting_for_them(total: int, headers: int) -> None:
    with pytest.raises(UnavailableError):
        decode(with_prelude(total, headers))


def test_a_header_that_runs_over_its_block_is_malformed() -> None:
    block = b"\x01a\x07\x00\x50xx"
    prelude = struct.pack(">II", 16 + len(block), len(block))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + block
    with pytest.raises(UnavailableError):
        decode(data + struct.pack(">I", zlib.crc32(data)))
