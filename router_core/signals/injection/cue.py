"""A wording that is looked for: where it may begin, what else the text must hold, and the pattern from there on.

A pattern that is searched through a long text costs more than all other signals together. So nothing is searched but the
places where one of a cue's `heads` stands, and only in a text that has one of its `needs` among its trigger words.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from router_core.record import dataclass

QUOTED: Final = 0.5
"""What a wording in quotation marks or a code block counts."""
_NEAR: Final = 90
_PAIRS: Final = (('"', '"'), ("`", "`"), ("\u201c", "\u201d"), ("\u201e", "\u201c"), ("\u00ab", "\u00bb"))
_OPENS: Final = re.compile(r"(?<!\w)'(?=\w|\Z)")
_CLOSES: Final = re.compile(r"(?:\A|(?<=[\w.!?]))'(?!\w)")
_GAP: Final = r"\W{1,16}+(?:[\w'\u2019]{1,32}+\W{1,16}+)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """`heads` are what the pattern begins with; one that is a trigger word is looked for only where it is in the text."""

    name: str
    weight: float
    heads: tuple[str, ...]
    needs: frozenset[str]
    pattern: re.Pattern[str]


def cue(name: str, weight: float, heads: str, needs: str, pattern: str) -> Cue:
    """`heads` and `needs` are words with blanks between them; no `needs` means any text."""
    return Cue(
        name=name,
        weight=weight,
        heads=tuple(heads.split()),
        needs=frozenset(needs.split()),
        pattern=re.compile(pattern, re.MULTILINE),
    )


def near(heads: str, tail: str, most: int) -> str:
    """One of the heads, at most so many words, the tail."""
    return rf"\b(?:{heads}){_GAP}{{0,{most}}}?(?:{tail})"


def fired(lower: str, hits: set[str], cues: tuple[Cue, ...], triggers: frozenset[str]) -> dict[str, float]:
    """The names of the cues that fire in a lower-case text with the most that each weighs there."""
    found: dict[str, float] = {}
    fences: list[int] | None = None
    for one in cues:
        if one.needs and one.needs.isdisjoint(hits):
            continue
        for start, end in _matches(lower, hits, one, triggers):
            if fences is None:
                fences = [match.start() for match in re.finditer("```", lower)]
            quoted = bisect_left(fences, start) % 2 == 1 or _quoted(lower, start, end)
            weight = one.weight * (QUOTED if quoted else 1.0)
            found[one.name] = max(weight, found.get(one.name, 0.0))
            if not quoted:
                break
    return found


def _matches(lower: str, hits: set[str], one: Cue, triggers: frozenset[str]) -> Iterator[tuple[int, int]]:
    for head in one.heads:
        if head in triggers and head not in hits:
            continue
        at = lower.find(head)
        while at >= 0:
            match = one.pattern.match(lower, at)
            if match is not None:
                yield match.span()
            at = lower.find(head, at + len(head))


def _quoted(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` stands behind an opening and before a closing mark on its line."""
    before = text[max(0, start - _NEAR) : start].rpartition("\n")[2]
    after = text[end : end + _NEAR].partition("\n")[0]
    for opening, closing in _PAIRS:
        if closing not in after:
            continue
        if opening == closing:
            if before.count(opening) % 2:
                return True
        elif before.rfind(opening) > before.rfind(closing):
            return True
    return len(_OPENS.findall(before)) > len(_CLOSES.findall(before)) and _CLOSES.search(after) is not None
