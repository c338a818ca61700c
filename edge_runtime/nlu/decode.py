"""Reads the model's numbers: which words are which slot, which commands that makes, and how sure that is.

Pure functions of the probabilities, so that training, evaluation and the engine decide alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.nlu.catalogue import Intent
from edge_runtime.nlu.values import Value, read_value

NEXT = "next"
"""The tag of the words that part two commands in one sentence."""

_REACH = {"text": 6, "place": 1, "person": 1}
"""Characters that may lie between two pieces of one value, by type."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """``slots``: values by catalogue name; durations in seconds, times "HH:MM"."""

    intent: str
    slots: dict[str, Value]

    def as_json(self) -> dict[str, object]:
        return {"intent": self.intent, "slots": dict(self.slots)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    slot: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """``weakest``: the lowest probability among the chosen tags."""

    spans: tuple[Span, ...]
    weakest: float


def softmax(logits: Floats) -> Floats:
    """Along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def word_starts(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Index of the first token of every written word; later pieces of a word share its tag."""
    starts: list[int] = []
    previous = -1
    for index, (start, end) in enumerate(offsets):
        if end <= start:
            continue
        joined = start == previous and text[start].isalnum() and text[start - 1].isalnum()
        if not joined:
            starts.append(index)
        previous = end
    return starts


def allowed_tags(intent: Intent, tags: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which tags make sense in a sentence of this intent."""
    return np.array([tag == "O" or tag[2:] == NEXT or tag[2:] in intent.slots for tag in tags])


def read_tags(
    text: str, offsets: Sequence[tuple[int, int]], probabilities: Floats, tags: Sequence[str]
) -> Tagged:
    """Joins word tags to spans. ``probabilities``: [tokens, tags]; a tag with zero is never chosen."""
    starts = word_starts(text, offsets)
    spans: list[Span] = []
    weakest = 1.0
    opened = False
    for position, index in enumerate(starts):
        row = probabilities[index]
        best = int(row.argmax())
        weakest = min(weakest, float(row[best]))
        tag = tags[best]
        if tag == "O":
            opened = False
            continue
        limit = starts[position + 1] if position + 1 < len(starts) else len(offsets)
        start, end = offsets[index][0], max(stop for _, stop in offsets[index:limit])
        if opened and tag.startswith("I-") and spans[-1].slot == tag[2:]:
            spans[-1] = Span(slot=tag[2:], start=spans[-1].start, end=end)
        else:
            spans.append(Span(slot=tag[2:], start=start, end=end))
        opened = True
    return Tagged(spans=tuple(spans), weakest=weakest)


def split_points(spans: Sequence[Span]) -> tuple[tuple[int, int], ...]:
    """Where one command ends and the next begins: (start, end) of the words between."""
    return tuple((span.start, span.end) for span in spans if span.slot == NEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """``fault`` says why the commands are not usable, None when they are."""

    commands: tuple[Command, ...]
    fault: str | None


def assemble(intent: Intent, text: str, spans: Sequence[Span]) -> Assembled:
    """Values of one command; several rooms make several commands, any other repetition is a fault."""
    found: list[tuple[str, Value]] = []
    for span in _merged(intent, text, spans):
        slot = intent.slots.get(span.slot)
        if slot is None:
            return Assembled(commands=(), fault=f"{intent.name} has no {span.slot}")
        value = read_value(slot.type, text[span.start : span.end])
        if value is None:
            return Assembled(commands=(), fault=f"{span.slot} cannot be read")
        found.append((span.slot, value))
    commands = commands_of(intent, found)
    if commands is None:
        return Assembled(commands=(), fault="a slot is given twice")
    missing = intent.missing(commands[0].slots)
    return Assembled(commands=commands, fault=f"missing {missing}" if missing else None)


def commands_of(intent: Intent, found: Sequence[tuple[str, Value]]) -> tuple[Command, ...] | None:
    """One command per room; None when another slot is given twice."""
    rooms = [value for name, value in found if name == "room"]
    others = [(name, value) for name, value in found if name != "room"]
    if len({name for name, _ in others}) != len(others):
        return None
    slots = dict(others)
    for strong, weak in intent.overrides.items():
        if strong in slots:
            slots.pop(weak, None)
    if not rooms:
        return (Command(intent=intent.name, slots=slots),)
    return tuple(Command(intent=intent.name, slots={**slots, "room": room}) for room in rooms)


def _merged(intent: Intent, text: str, spans: Sequence[Span]) -> list[Span]:
    """Pieces of one free text ("milk" "and" "bread") are one value again, and of one name that were
    tagged apart ("221" "b baker street")."""
    merged: list[Span] = []
    for span in spans:
        slot = intent.slots.get(span.slot)
        last = merged[-1] if merged else None
        reach = _REACH.get(slot.type.name, -1) if slot is not None else -1
        if last is not None and last.slot == span.slot and span.start - last.end <= reach:
            merged[-1] = Span(slot=span.slot, start=last.start, end=span.end)
        else:
            merged.append(span)
    return merged
