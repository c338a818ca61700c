"""A shortest text for a regular expression, for schemas that constrain a string by `pattern`.

It walks the expression's parse tree as Python's own compiler does, so what it builds matches by construction:
running a client's expression to check it could take for ever. What it cannot build (look-around,
back-references, word boundaries) ends in `PatternError`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from typing import Any

MAX_PATTERN_CHARACTERS = 512
MAX_TEXT_CHARACTERS = 1_024
_CANDIDATES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.:/@#\n"
# Stand for an anchor until the whole text is known; private-use characters, which no candidate is.
_START, _END = "\ue000", "\ue001"
_ANCHORS = {
    "AT_BEGINNING": _START,
    "AT_BEGINNING_STRING": _START,
    "AT_END": _END,
    "AT_END_STRING": _END,
}
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_NOT_DIGIT": lambda c: not c.isdigit(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda c: not c.isspace(),
    "CATEGORY_WORD": lambda c: c.isalnum() or c == "_",
    "CATEGORY_NOT_WORD": lambda c: not (c.isalnum() or c == "_"),
}


class PatternError(ValueError):
    """No text could be built for the pattern."""


def example_for(pattern: str) -> str:
    """A text in which `pattern` is found.

    Raises `PatternError` when the pattern is invalid, too long or beyond this generator.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise PatternError("the pattern is too long")
    # The parser has no public name; it is reached by name so that a Python without it fails here only.
    parser: Any = importlib.import_module("re._parser")
    try:
        text = _sequence(parser.parse(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError("the pattern is not a regular expression") from error
    inner = text.lstrip(_START).rstrip(_END)
    if _START in inner or _END in inner:
        raise PatternError("the pattern anchors in the middle of the text")
    return inner


def _sequence(items: Iterable[tuple[Any, Any]]) -> str:
    parts: list[str] = []
    length = 0
    for code, value in items:
        parts.append(_one(str(code), value))
        length += len(parts[-1])
        if length > MAX_TEXT_CHARACTERS:
            raise PatternError("the shortest match is too long")
    return "".join(parts)


def _one(code: str, value: Any) -> str:
    if code == "AT" and str(value) in _ANCHORS:
        return _ANCHORS[str(value)]
    if code == "LITERAL":
        return chr(value)
    if code in {"ANY", "NOT_LITERAL"}:
        return "b" if value == ord("a") else "a"
    if code == "IN":
        return _member(value)
    if code == "BRANCH":
        return min((_sequence(branch) for branch in value[1]), key=len)
    if code == "SUBPATTERN":
        return _sequence(value[3])
    if code in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return _repeat(value[0], value[2])
    raise PatternError(f"the pattern uses {code.lower()}")


def _repeat(count: int, items: Any) -> str:
    if count == 0:
        return ""
    if count > MAX_TEXT_CHARACTERS:
        raise PatternError("the shortest match is too long")
    text = _sequence(items)
    if len(text) * count > MAX_TEXT_CHARACTERS:
        raise PatternError("the shortest match is too long")
    return text * count


def _member(items: list[tuple[Any, Any]]) -> str:
    """The first candidate inside a character class, else the class's own first character."""
    negated = str(items[0][0]) == "NEGATE"
    for candidate in _CANDIDATES:
        if any(_matches(str(code), value, candidate) for code, value in items) != negated:
            return candidate
    code, value = str(items[0][0]), items[0][1]
    if code in {"RANGE", "LITERAL"}:
        return chr(value[0] if code == "RANGE" else value)
    raise PatternError("the pattern has a character class without a simple member")


def _matches(code: str, value: Any, candidate: str) -> bool:
    if code == "LITERAL":
        return bool(ord(candidate) == value)
    if code == "RANGE":
        return bool(value[0] <= ord(candidate) <= value[1])
    if code == "CATEGORY":
        return bool(_CATEGORIES[str(value)](candidate))
    return False
