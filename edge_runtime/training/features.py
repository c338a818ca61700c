"""Sentences as arrays: token ids and the targets of every head, in batches of similar length."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.nlu.catalogue import NONE
from edge_runtime.training.samples import Place, Sample

IGNORED = -100
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """[rows, tokens] arrays; ``text``: is it a command, is it hard, which task; ``picked``: positions of the rows in
    the pool they were drawn from."""

    ids: Ints
    mask: Ints
    tags: Ints
    intents: Ints
    personal: Ints
    text: Ints
    picked: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Output positions of the heads; ``tasks`` are the words a router knows."""

    intents: tuple[str, ...]
    tags: tuple[str, ...]
    tasks: tuple[str, ...]
    personal: tuple[str, ...]


def tag_names(slots: Sequence[str]) -> tuple[str, ...]:
    """O, then B- and I- of every slot."""
    return ("O", *(f"{mark}-{slot}" for slot in slots for mark in "BI"))


def tag_row(offsets: Sequence[tuple[int, int]], spans: Sequence[Place], index: dict[str, int]) -> list[int]:
    """Tag of every token; special tokens are ignored by the loss."""
    row = []
    for start, end in offsets:
        if end <= start:
            row.append(IGNORED)
            continue
        tag = "O"
        for first, last, slot in spans:
            if start < last and end > first:
                tag = ("B-" if start <= first else "I-") + slot
        row.append(index[tag])
    return row


def batches(
    pool: Sequence[Sample],
    encodings: Sequence[Any],
    names: Names,
    size: int,
    seed: int,
) -> list[Batch]:
    """The pool once, in batches of similar length, shuffled."""
    order = sorted(range(len(pool)), key=lambda row: len(encodings[row].ids))
    groups = [order[at : at + size] for at in range(0, len(order) - size + 1, size)]
    random.Random(seed).shuffle(groups)  # noqa: S311  # seeded order of training, no secret
    return [_batch(group, pool, encodings, names) for group in groups]


def _batch(group: Sequence[int], pool: Sequence[Sample], encodings: Sequence[Any], names: Names) -> Batch:
    index = [
        {name: at for at, name in enumerate(head)} for head in (names.intents, names.tags, names.personal)
    ]
    width = max(len(encodings[row].ids) for row in group)
    ids = np.zeros((len(group), width), np.int64)
    mask = np.zeros_like(ids)
    targets, personal = np.full_like(ids, IGNORED), np.full_like(ids, IGNORED)
    for at, row in enumerate(group):
        length = len(encodings[row].ids)
        ids[at, :length] = encodings[row].ids
        mask[at, :length] = 1
        targets[at, :length] = tag_row(encodings[row].offsets, pool[row].spans, index[1])
        personal[at, :length] = tag_row(encodings[row].offsets, pool[row].personal, index[2])
    return Batch(
        ids=ids,
        mask=mask,
        tags=targets,
        intents=np.array(
            [IGNORED if pool[row].intent is None else index[0][str(pool[row].intent)] for row in group]
        ),
        personal=personal,
        text=np.array([_about(pool[row], names.tasks) for row in group], np.int64),
        picked=np.array(group, np.int64),
    )


def _about(sample: Sample, tasks: Sequence[str]) -> tuple[int, int, int]:
    task = sample.task if sample.task in tasks else "chat"
    if sample.intent == NONE and task == "command":
        task = "chat"
    return int(sample.intent != NONE), int(sample.hard), list(tasks).index(task)
