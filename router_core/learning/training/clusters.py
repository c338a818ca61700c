"""Where the training texts lie, as a few centres of their inputs, which head was judged where, and what being far from
all of them looks like.

"Far" is measured, not guessed: each kind of text (a coarse cluster) is left out once, and its distances from the
others' centres show how a text of an unknown kind looks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CENTRES: Final = 64
KINDS: Final = 12
ROUNDS: Final = 8
SAMPLE: Final = 6_000
KNOWN_SHARE: Final = 0.98
"""So many of the training texts are not doubted at all."""
FEW: Final = 10
"""Judged texts near a centre that are worth half of full trust."""


def centres_of(points: Floats, many: int, seed: int) -> Floats:
    """Centres by k-means on a sample."""
    some = points[np.random.default_rng(seed).permutation(len(points))[:SAMPLE]]
    centres = some[: min(many, len(some))].copy()
    for _ in range(ROUNDS):
        nearest = _nearest(some, centres)
        for i in range(len(centres)):
            if (nearest == i).any():
                centres[i] = some[nearest == i].mean(axis=0)
    return centres


def doubt_range(points: Floats, centres: Floats, seed: int) -> Floats:
    """Distance at which doubt starts, and at which it is full: what known texts show, and what left-out kinds show."""
    near = float(np.quantile(distances(points, centres), KNOWN_SHARE))
    some = points[np.random.default_rng(seed).permutation(len(points))[:SAMPLE]]
    kind = _nearest(some, centres_of(some, KINDS, seed))
    medians = [
        float(np.median(distances(some[kind == i], centres_of(some[kind != i], CENTRES, seed))))
        for i in range(KINDS)
        if 0 < (kind == i).sum() < len(some)
    ]
    far = float(np.median(medians)) if medians else 0.0
    return np.array([near, max(far, near * 1.25, near + 0.1)], np.float32)


def trust_near(points: Floats, centres: Floats, known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Per centre and head, how much the head was judged near it: 0 never, 255 often."""
    nearest = _nearest(points, centres)
    judged = np.stack([known[nearest == i].sum(axis=0) for i in range(len(centres))])
    trust: NDArray[np.uint8] = np.rint(255 * judged / (judged + FEW)).astype(np.uint8)
    return trust


def distances(points: Floats, centres: Floats) -> Floats:
    """Of each point to its nearest centre."""
    square = (points * points).sum(axis=1) - 2 * _closeness(points, centres).max(axis=1)
    result: Floats = np.sqrt(np.maximum(square, 0))
    return result


def _closeness(points: Floats, centres: Floats) -> Floats:
    result: Floats = points @ centres.T - (centres * centres).sum(axis=1) / 2
    return result


def _nearest(points: Floats, centres: Floats) -> NDArray[np.intp]:
    result: NDArray[np.intp] = np.argmax(_closeness(points, centres), axis=1)
    return result
