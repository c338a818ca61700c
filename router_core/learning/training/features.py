"""Texts as matrices: what `TextReader` reads of each, for training and for judging many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer_text import TextReader, buckets, pair_buckets

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ragged:
    """Hashed rows of several texts, flattened, with their weights, and where each text starts."""

    flat: Ints
    often: Floats
    starts: Ints

    @classmethod
    def of(cls, texts: Sequence[tuple[Sequence[int], Sequence[float]]]) -> Ragged:
        """From each text's rows and weights; no text may be without any."""
        sizes = [len(rows) for rows, _ in texts]
        return cls(
            flat=np.array([row for rows, _ in texts for row in rows], np.int64),
            often=np.array([weight for _, weights in texts for weight in weights], np.float32),
            starts=np.concatenate(([0], np.cumsum(sizes)))[:-1].astype(np.int64),
        )

    @property
    def sizes(self) -> Ints:
        """Rows per text."""
        return np.diff(np.concatenate((self.starts, [len(self.flat)])))

    def take(self, texts: Ints) -> Ragged:
        """Some of the texts."""
        sizes = self.sizes[texts]
        starts = np.concatenate(([0], np.cumsum(sizes)))[:-1].astype(np.int64)
        at = np.arange(sizes.sum()) + np.repeat(self.starts[texts] - starts, sizes)
        return Ragged(flat=self.flat[at], often=self.often[at], starts=starts)

    def after(self, other: Ragged) -> Ragged:
        """The other's texts, then these."""
        return Ragged(
            flat=np.concatenate((other.flat, self.flat)),
            often=np.concatenate((other.often, self.often)),
            starts=np.concatenate((other.starts, self.starts + len(other.flat))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Per text: unit vector of its pieces, counts, its hashed words, and those with its pairs of words."""

    vectors: Floats
    counts: Floats
    words: Ragged
    pairs: Ragged

    def take(self, texts: Ints) -> Block:
        """Some of the texts."""
        return Block(
            vectors=self.vectors[texts],
            counts=self.counts[texts],
            words=self.words.take(texts),
            pairs=self.pairs.take(texts),
        )


def read_block(reader: TextReader, texts: Sequence[str]) -> Block:
    """Read all texts."""
    found, counts, words, pairs = [], [], [], []
    for text in texts:
        reading = reader.read(text)
        found.append(reading.vector)
        counts.append(reading.counts)
        rows, weights = buckets(text)
        two = pair_buckets(text)
        words.append((rows, weights))
        pairs.append((rows + two, weights + [1.0] * len(two)))
    vectors = np.array(found, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    return Block(
        vectors=vectors, counts=np.array(counts, np.float32), words=Ragged.of(words), pairs=Ragged.of(pairs)
    )
