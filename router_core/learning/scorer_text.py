"""What the scorer sees of a text: its word pieces, its hashed words and pairs, and counts that say what kind it is.

Nothing here depends on case, on runs of white space or on accents, so that dressing a request up does not change its
tier. Each word is looked up once and remembered; the work is linear in the text and stops at `READ_CHARS`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from router_core.record import dataclass

READ_CHARS: Final = 4_000
HASHED: Final = 1 << 13
WORD_CHARS: Final = 24
MEMORY_WORDS: Final = 60_000
PAIR: Final = 2_654_435_761
_WORDS: Final = re.compile(r"[a-z]+|[0-9]+|[^\sa-z0-9]|\n")
_RUNS: Final = re.compile(r"([^\w\s])\1{3,}")
_SPACES: Final = re.compile(r"[ \t\r\f\v]+")
_LINES: Final = re.compile(r"\s*\n\s*")
_OPTION: Final = re.compile(r"\n\(?[a-j][.)] ")
_FOLDED: Final = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."})
_ALWAYS: Final = np.zeros(1, np.int64)
"""A row that every text has, so that an empty one has any."""
COUNTED: Final = ("\\", "$", "?", "=", "[tools]", "): ", "def ", "python", "%", "_", '"', "(", ",")
"""Each counted as log(1 + n); together with length, words, numbers, lines and options they tell the kinds apart."""
COUNTS: Final = len(COUNTED) + 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One text: rows of the piece table, rows of the hashed table, and `COUNTS` numbers of order one."""

    pieces: list[int]
    hashed: NDArray[np.int64]
    counts: list[float]


class TextReader:
    """Reads texts with one vocabulary; remembers words, never texts."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = vocabulary
        self._words: dict[str, tuple[int, tuple[int, ...]]] = {}

    def read(self, text: str) -> Reading:
        """Everything the scorer knows about a text."""
        text = normalised(text)
        words = _WORDS.findall(text)
        hashes: list[int] = []
        pieces: list[int] = []
        known = self._words
        for word in words:
            found = known.get(word)
            if found is None:
                found = self._learn(word)
            hashes.append(found[0])
            pieces.extend(found[1])
        single = np.array(hashes, np.int64)
        pairs = (single[:-1] * PAIR + single[1:]) >> 7
        hashed = np.concatenate((_ALWAYS, single, pairs)) & (HASHED - 1)
        return Reading(pieces=pieces, hashed=hashed, counts=_counts(text, words))

    def _learn(self, word: str) -> tuple[int, tuple[int, ...]]:
        found = crc32(word.encode()), _split(word, self._vocabulary.get)
        if len(self._words) < MEMORY_WORDS:
            self._words[word] = found
        return found


def normalised(text: str) -> str:
    """Lower case, plain quotes, no accents, single spaces and line ends, bounded length."""
    text = text[:READ_CHARS].strip()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_FOLDED))
        text = "".join(c for c in text if not unicodedata.combining(c))
    text = text.lower()
    if "  " in text or "\t" in text or "\r" in text:
        text = _SPACES.sub(" ", text)
    if "\n\n" in text or " \n" in text or "\n " in text:
        text = _LINES.sub("\n", text)
    return _RUNS.sub(r"\1\1\1", text)


def _split(word: str, row_of: Callable[[str], int | None]) -> tuple[int, ...]:
    """Longest pieces first, as the encoder's tokenizer does; what has no piece is left out."""
    word, rows, prefix = word[:WORD_CHARS], [], ""
    while word:
        for end in range(len(word), 0, -1):
            row = row_of(prefix + word[:end])
            if row is not None:
                rows.append(row)
                break
        else:
            return tuple(rows)
        word, prefix = word[end:], "##"
    return tuple(rows)


def _counts(text: str, words: list[str]) -> list[float]:
    log1p = math.log1p
    size, many = len(text), len(words)
    numbers = sum(map(str.isdigit, words))
    letters = sum(map(str.isalpha, words))
    first = text.find("\na")
    values = [log1p(text.count(mark)) for mark in COUNTED]
    values += (
        log1p(size) - 5.5,
        log1p(many) - 4.3,
        log1p(numbers),
        numbers / (many + 1.0) * 4.0,
        letters / (many + 1.0) * 2.0 - 1.5,
        log1p(text.count("\n")),
        log1p(len(_OPTION.findall(text))),
        log1p(first if first >= 0 else size) - 5.5,
    )
    return values
