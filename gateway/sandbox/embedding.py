"""Embeddings without a model: hashed character n-grams, so that similar texts come out close and equal texts equal.

Deterministic across processes and machines, which Python's own `hash` is not.
"""

from __future__ import annotations

import math
import zlib

MAX_CHARACTERS = 50_000
_SIZES = (3, 5)


def embed(text: str, dimensions: int, *, normalize: bool = True) -> list[float]:
    """A vector of `dimensions` numbers, of length 1 unless `normalize` is off; an empty text has a vector too."""
    vector = [0.0] * dimensions
    padded = f" {' '.join(text[:MAX_CHARACTERS].lower().split())} "
    for size in _SIZES:
        for start in range(max(1, len(padded) - size + 1)):
            code = zlib.crc32(padded[start : start + size].encode())
            # The sign bit is taken from above the index bits, so that unrelated n-grams cancel out.
            vector[code % dimensions] += 1.0 if code & 0x8000_0000 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0:
        vector[0] = length = 1.0
    return [value / length for value in vector] if normalize else vector
