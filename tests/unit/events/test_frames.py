"""A frame gives back exactly what went in, or nothing."""

from __future__ import annotations

import math
import struct
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router_core.adapters.events.frame import MAX_FRAME_BYTES, decode, encode
from router_core.adapters.events.reader import Damage, read
from tests.unit.events.records import outcome, writer

texts = st.text(max_size=40)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
records = st.dictionaries(texts, values, max_size=6)

FRAME = encode({"request_id": "r1", "scores": {"a": 0.1, "b": 1e-300}, "text": "a\nb"})


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@given(records)
def test_a_record_comes_back_equal(record: dict[str, Any]) -> None:
    assert decode(encode(record)) == record


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(5e-324)
@example(1.7976931348623157e308)
@example(0.1 + 0.2)
def test_a_float_comes_back_to_the_bit(value: float) -> None:
    read_back = decode(encode({"x": value}))
    assert read_back is not None
    assert bits(read_back["x"]) == bits(value)


def test_a_frame_is_one_line_whatever_the_text() -> None:
    frame = encode({"text": "a\nb\r\n\x00\u2028"})
    assert frame.count(b"\n") == 1
    assert frame.endswith(b"\n")


def test_what_json_has_no_word_for_becomes_null_or_plain() -> None:
    """NaN must not stop a record, and read-only mappings, sets and numpy numbers are what the core works with."""
    record = {
        "nan": math.nan,
        "inf": math.inf,
        "map": MappingProxyType({"a": 1}),
        "set": frozenset(("b", "a")),
        "np": np.float64(0.1),
    }
    assert decode(encode(record)) == {"nan": None, "inf": None, "map": {"a": 1}, "set": ["a", "b"], "np": 0.1}


@pytest.mark.parametrize(
    "record",
    [{"x": object()}, {"x": 2**70}, {"x": "\ud800"}, {"x": "a" * MAX_FRAME_BYTES}],
    ids=["object", "huge integer", "lone surrogate", "too long"],
)
def test_a_record_without_a_form_is_an_error_of_one_kind(record: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the record"):
        encode(record)


def test_no_single_changed_byte_is_read_as_good() -> None:
    """Every byte of a frame, changed to every other value: never another record, never the same one."""
    for position in range(len(FRAME)):
        for value in range(256):
            changed = bytearray(FRAME)
            changed[position] = value
            if changed != FRAME:
                assert decode(bytes(changed)) is None, (position, value)


def test_no_torn_frame_is_read_as_good() -> None:
    for end in range(len(FRAME) - 1):
        assert decode(FRAME[:end]) is None
        assert decode(FRAME[:end] + b"\n") is None


@given(st.binary(max_size=200))
@example(b"00000000 0 \n")
@example(b"00000000 -0 \n")
def test_noise_is_nothing_and_no_error(noise: bytes) -> None:
    assert decode(noise) is None
    assert decode(noise + b"\n") is None


@given(data=st.data())
def test_damage_costs_the_lines_it_touches_and_never_invents_a_record(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A stretch of a file overwritten, cut out or inserted."""
    directory = tmp_path_factory.mktemp("damaged")
    written = [outcome(n) for n in range(12)]
    writer(directory).write(written)
    (path,) = directory.iterdir()
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = min(len(whole), start + data.draw(st.integers(0, 400)))
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=60)) + whole[end:])
    damage = Damage()
    found = list(read(directory, damage))
    touched = whole.count(b"\n", start, end) + 1
    assert len(found) >= len(written) - touched
    assert found == [record for record in written if record in found]
    assert len(found) == len(written) or damage.frames or whole[start:end].endswith(b"\n")
