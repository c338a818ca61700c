"""The scorer's file: named arrays behind one JSON header, laid out to be mapped into memory and never copied.

`TWSCORE1`, eight bytes of header length, the header (each array's type, shape and place; the card), then the arrays,
each at a multiple of 64 bytes. Nothing in it is code, and every place is checked against the file's size before it
is used, so that a damaged or hostile file is an error and not a crash.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.errors import ConfigurationError

MAGIC: Final = b"TWSCORE1"
ALIGN: Final = 64
TYPES: Final = {
    "int8": np.int8,
    "uint8": np.uint8,
    "float16": np.float16,
    "float32": np.float32,
    "int32": np.int32,
}
Array = NDArray[Any]


def packed(arrays: Mapping[str, Array], card: Mapping[str, Any]) -> bytes:
    """The file's bytes: the same arrays and card give the same bytes."""
    places: dict[str, dict[str, Any]] = {}
    at = 0
    for name, array in sorted(arrays.items()):
        places[name] = {"type": str(array.dtype), "shape": list(array.shape), "at": at}
        at += _aligned(array.nbytes)
    header = json.dumps({"arrays": places, "card": dict(card)}, sort_keys=True).encode()
    start = _aligned(len(MAGIC) + 8 + len(header))
    parts = [(MAGIC + len(header).to_bytes(8, "little") + header).ljust(start, b"\0")]
    for _, array in sorted(arrays.items()):
        raw = np.ascontiguousarray(array).tobytes()
        parts.append(raw.ljust(_aligned(len(raw)), b"\0"))
    return b"".join(parts)


def unpacked(buffer: bytes | memoryview) -> tuple[dict[str, Array], dict[str, Any]]:
    """Views into `buffer`, and the card. Raises ConfigurationError for anything that is not a scorer's file."""
    raw = memoryview(buffer)
    if bytes(raw[: len(MAGIC)]) != MAGIC:
        raise ConfigurationError("scorer: not a file of scorer weights")
    size = int.from_bytes(raw[8:16], "little")
    try:
        header = json.loads(bytes(raw[16 : 16 + size]))
        start = _aligned(16 + size)
        arrays = {name: _view(raw, start, place) for name, place in header["arrays"].items()}
        card: dict[str, Any] = dict(header["card"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"scorer: damaged weights ({error})") from error
    return arrays, card


def _view(raw: memoryview, start: int, place: Mapping[str, Any]) -> Array:
    kind, shape = TYPES[place["type"]], tuple(int(n) for n in place["shape"])
    at = int(place["at"])
    if at < 0 or any(n < 0 for n in shape):
        raise ValueError("an array outside the file")
    return np.frombuffer(raw, kind, count=math.prod(shape), offset=start + at).reshape(shape)


def _aligned(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
