"""Reads the model's numbers: which words are which slot, which commands that makes, and how sure that is.

Pure functions of the probabilities, so that training, evaluation and the engine decide alike.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.nlu.catalogue import Intent, Slot
from edge_runtime.nlu.fitting import fitted, named
from edge_runtime.nlu.times import in_part_of_day
from edge_runtime.nlu.values import Value, read_value, temperature_unit

NEXT = "next"
"""The tag of the words that part two commands in one sentence."""

_BESIDE_ROOMS = frozenset(
    [
        "in",
        "the",
        "my",
        "and",
        "also",
        "too",
        "please",
        "thanks",
        "now",
        "as",
        "well",
        "a",
        "an",
        "at",
        "on",
        "for",
    ]
)
LEAST = 0.05
"""Likelihood below which a missing value is not looked for."""

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


def written_words(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """(first token, start, end) of every written word."""
    starts = word_starts(text, offsets)
    limits = [*starts, len(offsets)][1:]
    return [
        (index, offsets[index][0], max(stop for _, stop in offsets[index:limit]))
        for index, limit in zip(starts, limits, strict=True)
    ]


def read_tags(
    text: str, offsets: Sequence[tuple[int, int]], probabilities: Floats, tags: Sequence[str]
) -> Tagged:
    """Joins word tags to spans. ``probabilities``: [tokens, tags]; a tag with zero is never chosen."""
    spans: list[Span] = []
    weakest = 1.0
    opened = False
    for index, start, end in written_words(text, offsets):
        row = probabilities[index]
        best = int(row.argmax())
        weakest = min(weakest, float(row[best]))
        tag = tags[best]
        if tag == "O":
            opened = False
            continue
        if opened and tag.startswith("I-") and spans[-1].slot == tag[2:]:
            spans[-1] = Span(slot=tag[2:], start=spans[-1].start, end=end)
        else:
            spans.append(Span(slot=tag[2:], start=start, end=end))
        opened = True
    return Tagged(spans=tuple(spans), weakest=weakest)


def wanted(intent: Intent, spans: Sequence[Span]) -> tuple[str, ...]:
    """Slots of which the command cannot do without one, and none was marked."""
    given = {span.slot for span in spans}
    for slot in intent.slots.values():
        if slot.required and slot.name not in given:
            return (slot.name,)
    return () if given & set(intent.one_of) else intent.one_of


def recovered(
    words: Sequence[tuple[int, int, int]],
    probabilities: Floats,
    tags: Sequence[str],
    tagged: Tagged,
    slots: Sequence[str],
) -> Tagged:
    """With the likeliest place of a slot that has to be there, though no tag won; sure it is only as far as that
    place is likely."""
    columns = {slot: [at for at, tag in enumerate(tags) if tag[2:] == slot] for slot in slots}
    free = [
        word for word in words if all(word[2] <= span.start or word[1] >= span.end for span in tagged.spans)
    ]
    scored = [
        (float(probabilities[word[0], columns[slot]].sum()), slot, at)
        for at, word in enumerate(free)
        for slot in slots
    ]
    best = max(scored, default=(0.0, "", 0))
    if best[0] < LEAST:
        return tagged
    likely = {at for score, slot, at in scored if slot == best[1] and score >= best[0] / 3}
    first = last = best[2]
    while first - 1 in likely and free[first - 1][2] + 1 >= free[first][1]:
        first -= 1
    while last + 1 in likely and free[last][2] + 1 >= free[last + 1][1]:
        last += 1
    span = Span(slot=best[1], start=free[first][1], end=free[last][2])
    ordered = sorted((*tagged.spans, span), key=lambda one: one.start)
    return Tagged(spans=tuple(ordered), weakest=min(tagged.weakest, best[0]))


def without_false_joints(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Without the joining words after which only another room follows: "in the kitchen and the hallway"."""
    joints = [at for at, span in enumerate(spans) if span.slot == NEXT]
    dropped = set()
    for at, until in zip(joints, [*joints, len(spans)][1:], strict=True):
        end = spans[until].start if until < len(spans) else len(text)
        rooms = spans[at + 1 : until]
        if not rooms or any(span.slot != "room" for span in rooms):
            continue
        edges = [spans[at].end, *(edge for span in rooms for edge in (span.start, span.end)), end]
        rest = " ".join(text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2))
        if all(word in _BESIDE_ROOMS for word in re.findall(r"\w+", rest.lower())):
            dropped.add(at)
    return tuple(span for at, span in enumerate(spans) if at not in dropped)


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
    found: list[Found] = []
    end = 0
    merged = _merged(intent, text, spans)
    for span in merged:
        slot = intent.slots.get(span.slot)
        if slot is None:
            return Assembled(commands=(), fault=f"{intent.name} has no {span.slot}")
        if span.end <= end:
            continue
        others = [(other.start, other.end) for other in merged if other.slot != span.slot]
        start, end = fitted(slot.type, text, (span.start, span.end), others)
        one = _found(slot, text, (start, end)) or _found(slot, text, named(slot.type, text, others))
        if one is None:
            return Assembled(commands=(), fault=f"{span.slot} cannot be read")
        found.append(one)
    found += _said_elsewhere(intent, text, merged, found)
    commands = commands_of(intent, found)
    if commands is None:
        return Assembled(commands=(), fault="a slot is given twice")
    missing = intent.missing(commands[0].slots)
    return Assembled(commands=commands, fault=f"missing {missing}" if missing else None)


def _found(slot: Slot, text: str, place: tuple[int, int] | None) -> "Found | None":
    if place is None:
        return None
    words = text[slice(*place)]
    value = read_value(slot.type, words)
    return None if value is None else Found(slot=slot.name, words=words, value=value)


def _said_elsewhere(
    intent: Intent, text: str, spans: Sequence[Span], found: "Sequence[Found]"
) -> "list[Found]":
    """A listed name that has to be there, was not marked, and stands in the text all the same."""
    taken = [(span.start, span.end) for span in spans]
    for name in wanted(intent, spans):
        slot = intent.slots[name]
        one = _found(slot, text, named(slot.type, text, taken)) if slot.type.synonyms else None
        if one is not None:
            return [one]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A slot with its value and the words it was read from."""

    slot: str
    words: str
    value: Value


def commands_of(intent: Intent, found: Sequence[Found]) -> tuple[Command, ...] | None:
    """One command per room; None when another slot is given twice and not the same."""
    rooms = [one.value for one in found if one.slot == "room"]
    others = [one for one in found if one.slot != "room"]
    if len({one.slot for one in others}) != len({(one.slot, one.value) for one in others}):
        return None
    slots = {one.slot: one.value for one in others} | _implied(intent, others)
    for strong, weak in intent.overrides.items():
        if strong in slots:
            slots.pop(weak, None)
    if not rooms:
        return (Command(intent=intent.name, slots=slots),)
    return tuple(Command(intent=intent.name, slots={**slots, "room": room}) for room in rooms)


def _implied(intent: Intent, found: Sequence[Found]) -> dict[str, Value]:
    """What the words of one slot say about another: the unit of a temperature, the half of the day of a time."""
    said = {one.slot: one for one in found}
    implied: dict[str, Value] = {}
    if "degrees" in said and "unit" in intent.slots and (unit := temperature_unit(said["degrees"].words)):
        implied["unit"] = unit
    if "time" in said and "day" in said:
        implied["time"] = in_part_of_day(str(said["time"].value), said["time"].words, said["day"].words)
    return implied


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
