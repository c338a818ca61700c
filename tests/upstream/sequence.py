"""The text every answer consists of: "w0 w1 w2 ...", so that a lost, doubled or foreign token is seen at once."""

from __future__ import annotations

import re

_LAST = re.compile(r"w(\d+)\s*$")


def words_after(prefix: str, length: int, max_tokens: int | None) -> tuple[list[str], bool]:
    """The tokens that follow `prefix` up to word `length - 1`, and whether `max_tokens` cut them short.

    They carry their leading blank, except at the beginning of a text or behind a blank.
    """
    found = _LAST.search(prefix)
    start = int(found[1]) + 1 if found else 0
    words = [f" w{number}" for number in range(start, length)]
    if words and (not prefix or prefix[-1].isspace()):
        words[0] = words[0][1:]
    cut = max_tokens is not None and len(words) > max_tokens
    return (words[:max_tokens], True) if cut else (words, False)


def count_words(text: str) -> int:
    """Prompt tokens of a text: its words."""
    return len(text.split())
