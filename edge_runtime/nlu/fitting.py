"""Settles where a value begins and ends: the network marks words, rules know which words can be read together.

"past six" of "quarter past six" cannot be read alone, "5 minutes" of "5 minutes and 30 seconds" not rightly. Only words
that belong to no other value are taken in, and never more than a few.
"""

import re
from collections.abc import Iterator, Sequence

from edge_runtime.nlu.catalogue import SlotType
from edge_runtime.nlu.values import read_value

REACH = 4
"""Words by which a value may grow or shrink at either end."""

SHORTEST = 2
_GROWING = frozenset({"duration", "clock", "degrees"})
"""Types whose value is the longest that can be read."""

_FREE = frozenset({"place", "person", "text"})
_WORD = re.compile(r"\S+")
Place = tuple[int, int]


def fitted(slot_type: SlotType, text: str, span: Place, taken: Sequence[Place]) -> Place:
    """The place of a readable value around, or inside, what was marked; ``span`` itself when there is none.
    ``taken``: where other values stand."""
    if slot_type.name in _FREE:
        return span
    words = [word.span() for word in _WORD.finditer(text)]
    marked = [at for at, (start, end) in enumerate(words) if start < span[1] and end > span[0]]
    if not marked:
        return span
    ends = marked[0], marked[-1]
    readable = read_value(slot_type, text[slice(*span)]) is not None
    if readable and slot_type.name not in _GROWING:
        return span
    grown = sorted(_grown(words, ends, taken), key=_size, reverse=readable)
    shrunk = () if readable else sorted(_shrunk(words, ends), key=_size, reverse=True)
    read = (place for place in (*grown, *shrunk) if read_value(slot_type, text[slice(*place)]) is not None)
    return next(read, span)


def named(slot_type: SlotType, text: str, taken: Sequence[Place]) -> Place | None:
    """Where the text, outside other values, says a listed name as it is written: the longest, then the first. Words
    of two letters mean too much to be looked for."""
    words = [word.span() for word in _WORD.finditer(text) if not _within(word.span(), taken)]
    best: Place | None = None
    for at, (start, _) in enumerate(words):
        for _, end in words[at : at + REACH]:
            said = text[start:end].lower().strip(".,;:!?")
            if (
                len(said) > SHORTEST
                and said in slot_type.synonyms
                and (best is None or end - start > _size(best))
            ):
                best = (start, end)
    return best


def _grown(words: Sequence[Place], marked: Place, taken: Sequence[Place]) -> Iterator[Place]:
    first, last = marked
    lowest, highest = first, last
    while lowest > 0 and first - lowest < REACH and not _within(words[lowest - 1], taken):
        lowest -= 1
    while highest + 1 < len(words) and highest - last < REACH and not _within(words[highest + 1], taken):
        highest += 1
    for low in range(lowest, first + 1):
        for high in range(last, highest + 1):
            if (low, high) != marked:
                yield words[low][0], words[high][1]


def _shrunk(words: Sequence[Place], marked: Place) -> Iterator[Place]:
    first, last = marked
    for low in range(first, min(last, first + REACH) + 1):
        for high in range(max(low, last - REACH), last + 1):
            yield words[low][0], words[high][1]


def _size(place: Place) -> int:
    return place[1] - place[0]


def _within(word: Place, taken: Sequence[Place]) -> bool:
    return any(word[0] < end and word[1] > start for start, end in taken)
