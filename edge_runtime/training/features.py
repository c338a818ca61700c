"""Sentences as arrays: token ids, tag targets, intent targets, in batches of similar length."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.training.samples import Sample

IGNORED = -100
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """[rows, tokens] arrays; ``picked``: positions of the rows in the pool they were drawn from."""

    ids: Ints
    mask: Ints
    tags: Ints
    intents: Ints
    picked: Ints


def tag_names(slots: Sequence[str]) -> tuple[str, ...]:
    """O, then B- and I- of every slot."""
    return ("O", *(f"{mark}-{slot}" for slot in slots for mark in "BI"))


def tag_row(offsets: Sequence[tuple[int, int]], sample: Sample, index: dict[str, int]) -> list[int]:
    """Tag of every token; special tokens are ignored by the loss."""
    row = []
    for start, end in offsets:
        if end <= start:
            row.append(IGNORED)
            continue
        tag = "O"
        for first, last, slot in sample.spans:
            if start < last and end > first:
                tag = ("B-" if start <= first else "I-") + slot
        row.append(index[tag])
    return row


def batches(
    pool: Sequence[Sample],
    encodings: Sequence[Any],
    names: tuple[Sequence[str], Sequence[str]],
    size: int,
    seed: int,
) -> list[Batch]:
    """The pool once, in batches of similar length, shuffled. ``names``: (intents, tags)."""
    order = sorted(range(len(pool)), key=lambda row: len(encodings[row].ids))
    groups = [order[at : at + size] for at in range(0, len(order) - size + 1, size)]
    random.Random(seed).shuffle(groups)  # noqa: S311  # seeded order of training, no secret
    return [_batch(group, pool, encodings, names) for group in groups]


def _batch(
    group: Sequence[int],
    pool: Sequence[Sample],
    encodings: Sequence[Any],
    names: tuple[Sequence[str], Sequence[str]],
) -> Batch:
    intents = {name: index for index, name in enumerate(names[0])}
    tags = {name: index for index, name in enumerate(names[1])}
    width = max(len(encodings[row].ids) for row in group)
    ids = np.zeros((len(group), width), np.int64)
    mask = np.zeros_like(ids)
    targets = np.full_like(ids, IGNORED)
    for at, row in enumerate(group):
        length = len(encodings[row].ids)
        ids[at, :length] = encodings[row].ids
        mask[at, :length] = 1
        targets[at, :length] = tag_row(encodings[row].offsets, pool[row], tags)
    wanted = np.array(
        [IGNORED if pool[row].intent is None else intents[str(pool[row].intent)] for row in group]
    )
    return Batch(ids=ids, mask=mask, tags=targets, intents=wanted, picked=np.array(group, np.int64))
