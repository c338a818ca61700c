"""No pattern that reads request text can be made to retry a long stretch.

Every repetition in the patterns is bounded, or possessive (never retried), or over a text that is bounded
itself. This is checked in the patterns' parse trees, so that a new pattern is held to it too.
"""

import importlib
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from router_core.signals import (
    folding,
    health,
    language,
    pii_addresses,
    pii_codes,
    pii_cued,
    pii_numbers,
    pii_secrets,
    reading,
    safety,
)
from router_core.signals.injection import cue, languages, veils, wordings

# The parser is the only view of a pattern's structure; it has no public name and no types.
codes: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

MODULES = [
    cue,
    folding,
    health,
    languages,
    pii_addresses,
    pii_codes,
    pii_cued,
    pii_numbers,
    pii_secrets,
    reading,
    safety,
    veils,
    wordings,
]
MODULES_WITHOUT_REPEATS = [language]
LONGEST_REPEAT = 128
SINGLE_CLASS = {codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY}


def _patterns(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _patterns(item)
    elif hasattr(value, "__slots__"):
        for name in value.__slots__:
            yield from _patterns(getattr(value, name))


def _of(module: ModuleType) -> list[re.Pattern[str]]:
    return [pattern for value in vars(module).values() for pattern in _patterns(value)]


def _repeats(tree: Any) -> Iterator[tuple[Any, int, Any]]:
    for operation, argument in tree:
        if operation in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            yield operation, argument[1], argument[2]
            yield from _repeats(argument[2])
            continue
        for child in argument if isinstance(argument, (tuple, list)) else ():
            yield from _subtrees(child)


def _subtrees(child: Any) -> Iterator[tuple[Any, int, Any]]:
    if isinstance(child, parser.SubPattern):
        yield from _repeats(child)
    elif isinstance(child, (list, tuple)):
        for item in child:
            yield from _subtrees(item)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_repetitions_are_bounded_or_never_retried(module: ModuleType) -> None:
    patterns = _of(module)
    assert patterns
    for pattern in patterns:
        for operation, most, body in _repeats(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)):
            single = len(body) == 1 and body[0][0] in SINGLE_CLASS
            possessive = operation is codes.POSSESSIVE_REPEAT and single
            bounded = most <= LONGEST_REPEAT
            tail = pattern in (pii_numbers._PHONE_CUE, reading._WORD, veils._APART, veils._HEX)
            assert possessive or bounded or tail, (pattern.pattern, most)


def test_the_check_sees_an_unbounded_repetition() -> None:
    """The check above can fail: it finds the star inside a group inside an alternative."""
    assert [most for _, most, _ in _repeats(parser.parse("a|(?:b(c*d){2,3})"))] == [3, codes.MAXREPEAT]


def test_language_patterns_have_no_repetition() -> None:
    for module in MODULES_WITHOUT_REPEATS:
        for pattern in _of(module):
            assert not list(_repeats(parser.parse(pattern.pattern)))
