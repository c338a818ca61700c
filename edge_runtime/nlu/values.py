"""Turns the words of a slot into its catalogue value. The model marks the words; code reads them."""

import re
from collections.abc import Callable

from edge_runtime.nlu.catalogue import SlotType
from edge_runtime.nlu.numbers import parse_number
from edge_runtime.nlu.times import parse_clock, parse_duration

Value = str | int | float
LONGEST_TEXT = 400
_EDGE = " \t\n.,;:!?\"'"
_ARTICLE = re.compile(r"^(?:the|a|an|some)\s+", re.IGNORECASE)
_LEADING = re.compile(r"^(?:at|by|to|for|of|in|on|about)\s+")
_PERCENT = re.compile(r"\s*(?:%|per\s?cent|percent)$")
_DEGREES = re.compile(r"\s*(?:°|degrees?)?\s*(?:celsius|fahrenheit|centigrade|c|f)?$")
_NAMED_PERCENT = {
    "half": 50, "halfway": 50, "half way": 50, "full": 100, "maximum": 100, "max": 100,
    "the maximum": 100, "the max": 100, "minimum": 1, "zero": 0, "a quarter": 25,
}  # fmt: skip


def _percent(text: str) -> int | None:
    words = text.lower().strip()
    if words in _NAMED_PERCENT:
        return _NAMED_PERCENT[words]
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
        key = " ".join(words.lower().split())
        return slot_type.synonyms.get(key) or slot_type.synonyms.get(_ARTICLE.sub("", key))
    if slot_type.name in _MEASURES:
        words = _LEADING.sub("", words.lower())
    return _READERS[slot_type.name](words)
