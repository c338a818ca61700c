"""Reads a request's body within bounds, and refuses hostile JSON before it is decoded.

Every check is linear in the body and runs in C: a Python loop over ten megabytes would hold the event loop for a second.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import orjson

from router_core.errors import RequestError, TooLargeError

MAX_BODY_BYTES: Final = 10 * 2**20
MAX_DEPTH: Final = 64
_QUOTE: Final = ord('"')
_BRACKETS: Final = b'[]{}"'
_OTHERS: Final = bytes(set(range(256)) - set(_BRACKETS))
_SLICE: Final = 2**18
_MOST_REPEATS: Final = 4096
_STEP: Final = np.zeros(256, dtype=np.int8)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1

_Depths = np.ndarray[Any, np.dtype[np.int32]]
_Flags = np.ndarray[Any, np.dtype[np.uint8]]


def check_depth(body: bytes) -> None:
    """Raises TooLargeError when arrays and objects nest deeper than MAX_DEPTH; brackets inside strings do not count."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    # Only brackets and quotes are left, then only strings that hold brackets: removing two adjacent quotes does not
    # change whether what follows is inside a string.
    left = _without_escapes(body).translate(None, _OTHERS).replace(b'""', b"")
    depth = odd = 0
    for start in range(0, len(left), _SLICE):
        depths, inside = _depths(left[start : start + _SLICE], depth, odd)
        if int(depths.max()) > MAX_DEPTH:
            raise TooLargeError(f"JSON deeper than {MAX_DEPTH} levels")
        depth, odd = int(depths[-1]), int(inside[-1])


def check_repeats(body: bytes, names: tuple[bytes, ...]) -> None:
    """Raises RequestError when a top-level member comes twice: parsers disagree on which one counts."""
    suspects = [name for name in names if body.count(b'"%b"' % name) > 1]
    if not suspects:
        return
    plain = _without_escapes(body)
    twice = next((name for name in suspects if plain.count(b'"%b"' % name) > _MOST_REPEATS), None)
    if twice is None:
        depths, inside = _depths(plain)
        twice = next((name for name in suspects if _at_top(name, plain, depths, inside) > 1), None)
    if twice is not None:
        raise RequestError(f"`{twice.decode()}` is given twice", field=f"$.{twice.decode()}")


def _at_top(name: bytes, plain: bytes, depths: _Depths, inside: _Flags) -> int:
    """How often the outermost object has this member."""
    starts = [match.start() for match in re.finditer(rb'"%b"\s*:' % name, plain)]
    return int(np.count_nonzero((depths[starts] == 1) & inside[starts].astype(bool)))


def _without_escapes(body: bytes) -> bytes:
    """The same text with escaped backslashes and quotes blotted out, so that every quote left opens or closes."""
    if b"\\" not in body:
        return body
    return body.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def _depths(text: bytes, depth: int = 0, odd: int = 0) -> tuple[_Depths, _Flags]:
    """Nesting depth after each byte, and 1 where the byte is in a string (its opening quote included).

    `depth` and `odd` are what came before `text`."""
    codes = np.frombuffer(text, dtype=np.uint8)
    steps = _STEP[codes]
    # Modulo 256 does not change parity, and one byte per count is four times faster than four.
    inside = (np.cumsum(codes == _QUOTE, dtype=np.uint8) + np.uint8(odd)) & np.uint8(1)
    steps[inside == 1] = 0
    return np.cumsum(steps, dtype=np.int32) + depth, inside


def check_encodable(value: object, field: str) -> None:
    """Free-form JSON is sent on to tiers; a number no encoder takes would fail there, far from its cause."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise RequestError("a number is out of range", field=field) from error
