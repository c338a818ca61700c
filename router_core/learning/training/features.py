"""Texts as matrices: what `TextReader` reads of each, for training and for judging many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer_text import TextReader

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Per text: unit vector of its pieces, counts, and its hashed rows `flat[starts[i]:starts[i + 1]]`."""

    vectors: Floats
    counts: Floats
    flat: Ints
    starts: Ints


def read_block(reader: TextReader, texts: Sequence[str]) -> Block:
    """Read all texts."""
    found, counts, hashed = [], [], []
    for text in texts:
        reading = reader.read(text)
        found.append(reading.vector)
        counts.append(reading.counts)
        hashed.append(reading.hashed)
    vectors = np.array(found, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    return Block(
        vectors=vectors,
        counts=np.array(counts, np.float32),
        flat=np.concatenate(hashed) if hashed else np.zeros(0, np.int64),
        starts=np.concatenate(([0], np.cumsum([len(h) for h in hashed]))).astype(np.int64),
    )
