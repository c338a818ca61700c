"""One request text, prepared once, so that every signal reads the same cheap forms of it.

Each signal alone would lowercase, split and classify the text again; together that costs more than all the
decisions made from it. `read()` does it once, with C-level string methods only. `plain`, `lower` and `shape`
have one element per character of `text`, so an offset found in any of them is an offset in the text.
"""

from __future__ import annotations

import re
from typing import Final

from router_core.record import dataclass
from router_core.signals import triggers
from router_core.signals.folding import fold_ascii

WINDOW_CHARS: Final = 4096
"""Word statistics look at this many characters (head and tail); PII, guard and tokens read all of the text."""
_TAIL_CHARS: Final = 1024

LETTER, DIGIT, SPACE, PUNCTUATION, CONTINUED = b"a", b"0", b" ", b".", b"c"
LATIN, ALPHABET, INDIC, SYMBOL, KANA, HAN, HANGUL, ASTRAL = b"l", b"g", b"i", b"s", b"k", b"h", b"o", b"x"
"""In `octets`, the first byte of a longer UTF-8 sequence by the scripts that start so (ALPHABET: Greek to Arabic)."""

_LEADS: Final = (
    (0xC0, CONTINUED),
    (0xCE, LATIN),
    (0xE0, ALPHABET),
    (0xE2, INDIC),
    (0xE3, SYMBOL),
    (0xE4, KANA),
    (0xEA, HAN),
    (0xEE, HANGUL),
    (0xF0, SYMBOL),
    (0x100, ASTRAL),
)


def _class_of(byte: int) -> bytes:
    if byte >= 0x80:
        return next(kind for limit, kind in _LEADS if byte < limit)
    char = chr(byte)
    if char.isalpha():
        return LETTER
    if char.isdigit():
        return DIGIT
    return SPACE if char.isspace() else PUNCTUATION


_CLASSES: Final = b"".join(_class_of(byte) for byte in range(256))
_WESTERN: Final = "cp1252"
"""Western European letters, typographic quotes and dashes in one byte each: such texts take the fast way too."""


def _word_byte(byte: int) -> int:
    char = bytes((byte,)).decode(_WESTERN, "replace")
    return byte if char.isalnum() else 0x20


_WORDS: Final = bytes(map(_word_byte, range(256)))
_WORD: Final = re.compile(r"[^\W_\u0e00-\U0010ffff]+|[\u0e00-\U0010ffff]+")
"""Scripts without blanks end a word of the others, so that a trigger cannot hide in them."""
_CHUNK_CHARS: Final = 1 << 16
_OVERLAP_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """The forms of one text.

    `plain`: digits of other scripts, no-break spaces and typographic dashes as ASCII. `lower`: `plain` in
    lower case. `shape`: one class byte per character (`a` letter, `0` digit, blank, `.` anything else).
    `octets`: the same per UTF-8 byte. `words`: lower-case words of the window, in order; `vocabulary`: the distinct
    ones. `hits`: the words of all of the text that a pattern waits for. `western`: no character outside of the
    Western European alphabets and their punctuation.
    """

    text: str
    plain: str
    lower: str
    shape: bytes
    octets: bytes
    words: list[str]
    vocabulary: set[str]
    hits: set[str]
    western: bool


def read(text: str) -> Reading:
    """Prepare `text`; linear, never raises for any `str` (lone surrogates included)."""
    ascii_only = text.isascii()
    western = ascii_only or _is_western(text)
    plain = text if ascii_only else fold_ascii(text, western=western)
    # U+0130 is the one character whose lower case is longer than itself; offsets must survive.
    lower = plain.lower() if western else plain.replace("\u0130", "i").lower()
    shape = plain.encode("ascii", "replace").translate(_CLASSES)
    octets = shape if ascii_only else text.encode("utf-8", "replace").translate(_CLASSES)
    words = _words_of(window(lower), western)
    vocabulary = set(words)
    hits = vocabulary & triggers.ALL if len(lower) <= WINDOW_CHARS else _hits_of(lower, western)
    return Reading(text, plain, lower, shape, octets, words, vocabulary, hits, western)


def _is_western(text: str) -> bool:
    try:
        text.encode(_WESTERN)
    except UnicodeEncodeError:
        return False
    return True


def _words_of(lower: str, western: bool) -> list[str]:
    if western:
        encoding = "ascii" if lower.isascii() else _WESTERN
        return lower.encode(encoding, "replace").translate(_WORDS).decode(encoding).split()
    return _WORD.findall(lower)


def _hits_of(lower: str, western: bool) -> set[str]:
    """The trigger words of a long text, chunk by chunk so that its words are never all in memory."""
    hits: set[str] = set()
    for start in range(0, len(lower), _CHUNK_CHARS):
        # The overlap is longer than any trigger: one that straddles the border is whole in the next chunk.
        chunk = lower[max(0, start - _OVERLAP_CHARS) : start + _CHUNK_CHARS]
        hits.update(triggers.ALL.intersection(_words_of(chunk, western)))
    return hits


def window(text: str) -> str:
    """The head and tail of a long text; instructions stand at either end of a long document."""
    if len(text) <= WINDOW_CHARS:
        return text
    return f"{text[: WINDOW_CHARS - _TAIL_CHARS]}\n{text[-_TAIL_CHARS:]}"
