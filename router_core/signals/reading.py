"""One request text, prepared once, so that every signal reads the same cheap forms of it.

Each signal alone would lowercase, split and classify the text again; together that costs more than all the
decisions made from it. `read()` does it once, with C-level string methods only. `plain`, `lower` and `shape`
have one element per character of `text`, so an offset found in any of them is an offset in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from router_core.signals.folding import fold_ascii

WINDOW_CHARS: Final = 4096
"""Word statistics look at this many characters (head and tail); PII, guard and tokens read all of the text."""
_TAIL_CHARS: Final = 1024

LETTER, DIGIT, SPACE, PUNCTUATION = b"a", b"0", b" ", b"."
LEAD_2, LEAD_3, LEAD_4 = b"d", b"e", b"f"
"""In `octets`: the first byte of a UTF-8 sequence of 2, 3 or 4 bytes (continuation bytes are `c`)."""


def _class_of(byte: int) -> bytes:
    if byte >= 0x80:
        return b"c" if byte < 0xC0 else LEAD_2 if byte < 0xE0 else LEAD_3 if byte < 0xF0 else LEAD_4
    char = chr(byte)
    if char.isalpha():
        return LETTER
    if char.isdigit():
        return DIGIT
    return SPACE if char.isspace() else PUNCTUATION


_CLASSES: Final = b"".join(_class_of(byte) for byte in range(256))
_WORDS: Final = bytes(byte if chr(byte).isalnum() and byte < 0x80 else 0x20 for byte in range(256))
_WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Reading:
    """The forms of one text.

    `plain`: digits of other scripts, no-break spaces and typographic dashes as ASCII. `lower`: `plain` in
    lower case. `shape`: one class byte per character (`a` letter, `0` digit, blank, `.` anything else).
    `octets`: the same per UTF-8 byte. `words`: lower-case words of the window, in order.
    """

    text: str
    plain: str
    lower: str
    shape: bytes
    octets: bytes
    words: list[str]
    vocabulary: set[str]


def read(text: str) -> Reading:
    """Prepare `text`; linear, never raises for any `str` (lone surrogates included)."""
    if text.isascii():
        lower = text.lower()
        octets = text.encode("ascii").translate(_CLASSES)
        words = window(lower).encode("ascii").translate(_WORDS).decode("ascii").split()
        return Reading(text, text, lower, octets, octets, words, set(words))
    plain = fold_ascii(text)
    # U+0130 is the one character whose lower case is longer than itself; offsets must survive.
    lower = plain.replace("\u0130", "i").lower()
    shape = plain.encode("ascii", "replace").translate(_CLASSES)
    octets = text.encode("utf-8", "replace").translate(_CLASSES)
    words = _WORD.findall(window(lower))
    return Reading(text, plain, lower, shape, octets, words, set(words))


def window(text: str) -> str:
    """The head and tail of a long text; instructions stand at either end of a long document."""
    if len(text) <= WINDOW_CHARS:
        return text
    return f"{text[: WINDOW_CHARS - _TAIL_CHARS]}\n{text[-_TAIL_CHARS:]}"
