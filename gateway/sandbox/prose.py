"""The words of a stand-in: they say plainly that no model ran, repeat the question briefly, and can go on from
a text that someone else began.
"""

from __future__ import annotations

import re

MARK = "stand-in"
_ECHO_CHARACTERS = 80
_MIN_OVERLAP = 12
_MAX_OVERLAP = 80

# English prose: about 1.3 pieces to a word, four to five characters to a piece, as tokenizers of today have it.
_PIECE = re.compile(r"[ \n]?(?:[!-~]{1,6}|[^\s!-~]{1,2})|\s")

_BODY = (
    "No model ran for this answer.",
    "The words are fixed, so that a demonstration and a test see the same thing every time.",
    "Token counts follow the length of the text, and the pace follows the size of the named model.",
    "Tools, structured output, streaming and errors have the form the real service gives them.",
    "Configure a real endpoint for this target to get a real answer.",
)


def split_pieces(text: str) -> list[str]:
    """Cut a text into token-sized pieces that join to the same text."""
    return _PIECE.findall(text)


def estimate_tokens(text: str) -> int:
    """Tokens of a prompt at four characters each, at least one for a text that is not empty."""
    return (len(text) + 3) // 4


def brief(text: str) -> str:
    """One line of at most 80 characters."""
    line = " ".join(text[: 4 * _ECHO_CHARACTERS].split())
    return line if len(line) <= _ECHO_CHARACTERS else line[: _ECHO_CHARACTERS - 1].rstrip() + "…"


def stand_in_text(*, model: str, question: str, notes: tuple[str, ...] = (), variant: int = 0) -> str:
    """The whole answer to a question; `variant` turns the order of the fixed sentences."""
    turn = variant % len(_BODY)
    parts = [f"This is a local {MARK} for {model}, not the model itself."]
    if question.strip():
        parts.append(f'You said: "{brief(question)}".')
    return " ".join([*parts, *notes, *_BODY[turn:], *_BODY[:turn]])


def lengthened(text: str, min_tokens: int) -> str:
    """The text with its fixed sentences repeated until it has at least `min_tokens` pieces."""
    count = len(split_pieces(text))
    filler = " " + " ".join(_BODY)
    size = len(split_pieces(filler))
    return text + filler * max(0, -(-(min_tokens - count) // size))


def continuation(full: str, prefix: str, model: str) -> str:
    """What follows `prefix`, so that the two read as one answer.

    Where the prefix ends with words of `full`, it goes on right after them. Otherwise the writer says that it
    takes over, unless the prefix already told the reader that a stand-in speaks.
    """
    if full.startswith(prefix):
        return full[len(prefix) :]
    rest = _after_overlap(full, prefix)
    if rest is None:
        rest = " " + " ".join(_BODY)
    if MARK not in prefix:
        rest = f" [carried on by a local {MARK} for {model}]{rest}"
    return rest.lstrip() if prefix[-1:].isspace() else rest


def _after_overlap(full: str, prefix: str) -> str | None:
    """The part of `full` behind the longest end of `prefix` that occurs in it; None when there is none."""
    for size in range(min(len(prefix), _MAX_OVERLAP), _MIN_OVERLAP - 1, -1):
        found = full.find(prefix[-size:])
        if found >= 0:
            return full[found + size :]
    return None
