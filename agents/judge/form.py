"""The form of a judge's question and of its reply, whatever it is asked.

Question and answers are hostile: an answer may ask for a good score. They are shown as JSON strings between marks that
their writer cannot know, and of the judge's reply only one JSON object in the exact form, with the mark in it, counts.
Anything else is no judgement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from agents.judge.lobbying import without_lobbying
from router_core.record import dataclass

MAX_CHARS: Final = 24_000
MAX_REASON: Final = 500
_MAX_REPLY: Final = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the judge is shown. `removed` sentences spoke to it; `swapped`: the second answer is the one that is judged."""

    messages: tuple[dict[str, str], ...]
    mark: str
    removed: int
    swapped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Each criterion and what they come to, in [0, 1]."""

    score: float
    criteria: Mapping[str, float]
    reason: str


def shown(answer: str) -> tuple[str, int]:
    """An answer as a judge may see it, and how many of its sentences it may not."""
    text, removed = without_lobbying(answer)
    return cut(text), removed


def framed(
    request_id: str, system: str, case: Mapping[str, str], removed: int, *, swapped: bool = False
) -> Asked:
    """The messages: `system` with the mark in it, and the case between two lines of it."""
    # The mark depends on the answers themselves, so no answer can hold its own.
    mark = sha256(json.dumps([request_id, case]).encode()).hexdigest()[:24]
    material = json.dumps(case, ensure_ascii=True, indent=1)
    return Asked(
        messages=(
            {"role": "system", "content": system.format(mark=mark)},
            {"role": "user", "content": f"{mark}\n{material}\n{mark}"},
        ),
        mark=mark,
        removed=removed,
        swapped=swapped,
    )


def replied(reply: str, mark: str, names: frozenset[str]) -> dict[str, Any] | None:
    """The reply's object without its mark; None where it is not exactly what was asked for."""
    if len(reply) > _MAX_REPLY:
        return None
    try:
        found = json.loads(_unfenced(reply), object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) != {"mark", "reason", *names}:
        return None
    if found.pop("mark") != mark or not isinstance(found["reason"], str):
        return None
    return {**found, "reason": found["reason"][:MAX_REASON]}


def cut(text: str) -> str:
    """Beginning and end of a text that is too long: both say how good it is."""
    if len(text) <= MAX_CHARS:
        return text
    half = MAX_CHARS // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"


def _unfenced(reply: str) -> str:
    text = reply.strip()
    if text.startswith("```") and text.endswith("```"):
        return text.removesuffix("```").removeprefix("```json").removeprefix("```")
    return text


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found
