"""Turns the words of a slot into its catalogue value. The model marks the words; code reads them."""

import re
from collections.abc import Callable

from edge_runtime.nlu.catalogue import SlotType
from edge_runtime.nlu.numbers import parse_number
from edge_runtime.nlu.times import parse_clock, parse_duration

Value = str | int | float
LONGEST_TEXT = 400
LONGEST_NAME = 40
_EDGE = " \t\n.,;:!?\"'"
_ARTICLE = re.compile(r"^(?:the|a|an|some)\s+", re.IGNORECASE)
_LEADING = re.compile(r"^(?:at|by|to|for|of|in|on|about)\s+")
_PERCENT = re.compile(r"\s*(?:%|per\s?cent|percent)$")
_DEGREES = re.compile(r"\s*(?:°|º|degrees?|degs?)?\s*(celsius|fahrenheit|centigrade|(?<![a-z])[cf])?$")
_NAMED_PERCENT = {
    "half": 50, "halfway": 50, "half way": 50, "midway": 50, "half the": 50, "full": 100, "maximum": 100, "max": 100,
    "fully": 100, "completely": 100, "all the way": 100, "full blast": 100, "full brightness": 100, "maximum brightness": 100,
    "minimum": 1, "min": 1, "lowest": 1, "zero": 0, "quarter": 25, "third": 33, "two thirds": 67, "three quarters": 75,
}  # fmt: skip
FUZZY_FROM = 5
"""Letters a word must have before one wrong letter is forgiven: "of" and "on" are too near to each other."""


def _percent(text: str) -> int | None:
    words = text.lower().strip()
    named = _ARTICLE.sub("", words)
    if named in _NAMED_PERCENT:
        return _NAMED_PERCENT[named]
    value = parse_number(_PERCENT.sub("", words))
    return round(value) if value is not None and 0 <= value <= 100 else None


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _number(text: str) -> Value | None:
    value = parse_number(text)
    return _plain(value) if value is not None and abs(value) <= 1_000_000 else None


def _degrees(text: str) -> Value | None:
    value = parse_number(_DEGREES.sub("", text.lower().strip()))
    return _plain(value) if value is not None and -60 <= value <= 300 else None


def _written(text: str) -> str | None:
    words = " ".join(text.split())[:LONGEST_TEXT]
    return words or None


def _place(text: str) -> str | None:
    return _written(_ARTICLE.sub("", text).lower())


def _person(text: str) -> str | None:
    return _written(_ARTICLE.sub("", text))


def temperature_unit(text: str) -> str | None:
    """ "celsius" or "fahrenheit" when the words of a temperature name one."""
    found = _DEGREES.search(text.lower().strip(_EDGE))
    named = found[1] if found and found[1] else None
    return None if named is None else "fahrenheit" if named.startswith("f") else "celsius"


_READERS: dict[str, Callable[[str], Value | None]] = {
    "duration": parse_duration,
    "clock": parse_clock,
    "percent": _percent,
    "number": _number,
    "degrees": _degrees,
    "place": _place,
    "person": _person,
    "text": _written,
}

_MEASURES = {"duration", "clock", "percent", "number", "degrees"}


def read_value(slot_type: SlotType, text: str) -> Value | None:
    """The catalogue value of ``text``, or None when it cannot be read as this type."""
    words = text.strip(_EDGE)
    if slot_type.synonyms:
        return _named(slot_type, " ".join(words.lower().split()))
    if slot_type.name in _MEASURES:
        words = _LEADING.sub("", words.lower())
    return _READERS[slot_type.name](words)


def _named(slot_type: SlotType, key: str) -> str | None:
    """As listed, without its article, or with one wrong letter when no other value is as near."""
    bare = _ARTICLE.sub("", key)
    for spelling in (key, bare, bare.replace("-", " "), bare.removesuffix("s")):
        if spelling in slot_type.synonyms:
            return slot_type.synonyms[spelling]
    if len(bare) < FUZZY_FROM or len(bare) > LONGEST_NAME:
        return None
    near = {value for word, value in slot_type.synonyms.items() if one_letter_off(bare, word)}
    return near.pop() if len(near) == 1 else None


def one_letter_off(left: str, right: str) -> bool:
    """Whether one letter added, left out, changed or swapped with its neighbour makes one word the other."""
    if abs(len(left) - len(right)) > 1 or min(len(left), len(right)) < FUZZY_FROM - 1:
        return False
    short, long = sorted((left, right), key=len)
    at = next((i for i, letter in enumerate(short) if letter != long[i]), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    swapped = short[:at] + short[at : at + 2][::-1] + short[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or swapped == long
