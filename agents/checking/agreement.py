"""How far two answers to one question say the same, in [0, 1]; None where they cannot be compared.

Structure is compared as structure: commands, tool calls, JSON. Of texts the final answers count where both have one (a boxed
result, "the answer is", an option, the last number of a calculation); other texts by the words they share, which long
texts that agree do for about a half.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from agents.checking.form import parsed
from router_core.execution import Output
from router_core.learning.scorer_check import plain_answer

LONGEST: Final = 20_000
"""Characters of a text that are compared."""
SAME_WORDS: Final = 0.6
"""Share of words in common at which texts count as the same."""
_BOXED: Final = re.compile(r"\\boxed\{([^{}]{1,80})\}")
_STATED: Final = re.compile(
    r"(?:answer|result|total)\s*(?:is|:|=)+\s*\**\(?([A-Z](?=[\s).,*]|$)|[-$€£]?\d[\d,.]*%?)", re.IGNORECASE
)
_OPTION: Final = re.compile(r"^\W*([A-J])\W*(?:\n|$|[).:])")
_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_WORD: Final = re.compile(r"\w+")
_SHORT: Final = 40
_DEEP: Final = 200


def agreement(one: Output, other: Output) -> float | None:
    """Agreement of the first choices."""
    mine, theirs = one.first, other.first
    if mine.tool_calls or theirs.tool_calls:
        return float(_called(mine.tool_calls) == _called(theirs.tool_calls))
    if one.json is not None and other.json is not None:
        return _shared(_leaves(one.json), _leaves(other.json))
    return _texts(_said(one), _said(other))


def _said(output: Output) -> str:
    return (output.first.text or "")[:LONGEST].strip()


def _texts(one: str, other: str) -> float | None:
    if not one or not other:
        return None
    (is_json, mine), (also, theirs) = parsed(one), parsed(other)
    if is_json and also and isinstance(mine, dict | list) and isinstance(theirs, dict | list):
        return _shared(_leaves(mine), _leaves(theirs))
    first, second = final_answer(one), final_answer(other)
    if first is not None and second is not None:
        return float(first == second)
    if max(len(one), len(other)) <= _SHORT and plain_answer(one) == plain_answer(other):
        return 1.0
    return min(1.0, _shared(_words(one), _words(other)) / SAME_WORDS)


def final_answer(text: str) -> str | None:
    """What a text comes to, in a plain form; None where it is no calculation and no choice."""
    boxed, stated = _BOXED.findall(text), _STATED.findall(text)
    if boxed:
        return plain_answer(boxed[-1])
    if stated:
        return plain_answer(stated[-1].rstrip(".,"))
    option = _OPTION.match(text)
    if option:
        return option[1].lower()
    numbers = _NUMBER.findall(text)
    if numbers and (len(text) <= _SHORT or "=" in text):
        return plain_answer(numbers[-1].rstrip(","))
    return None


def _called(calls: tuple[Mapping[str, Any], ...]) -> list[Any]:
    functions = [call.get("function") or {} for call in calls]
    return [(one.get("name"), parsed(one.get("arguments") or "{}")) for one in functions]


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.lower()))


def _leaves(value: Any) -> Counter[str]:
    """Each value with the way to it."""
    found, waiting = Counter[str](), [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, Mapping) and item:
            waiting += [(f"{path}.{key}"[-_DEEP:], inner) for key, inner in item.items()]
        elif isinstance(item, list) and item:
            waiting += [(f"{path}[]"[-_DEEP:], inner) for inner in item]
        else:
            found[f"{path}={str(item).strip().lower()}"] += 1
    return found


def _shared(one: Counter[str], other: Counter[str]) -> float:
    """Twice what both have, over what either has (Dice)."""
    total = sum(one.values()) + sum(other.values())
    return 2.0 * sum((one & other).values()) / total if total else 1.0
