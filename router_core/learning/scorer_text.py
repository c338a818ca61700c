"""What the scorer sees of a text: the meaning of its words, its hashed words, and counts that say what kind it is.

Nothing here depends on case, on runs of white space or on accents, so that dressing a request up does not change its
tier. A word that is said again counts less each time. Each is looked up once and remembered as one row of all that is
known of it, so that a text is one weighted sum of rows. The work is linear in the text and stops at `READ_CHARS`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import filterfalse
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from router_core.record import dataclass

Floats = NDArray[np.float32]
READ_CHARS: Final = 4_000
HASHED: Final = 1 << 13
TWICE: Final = 2 * HASHED
"""Rows of a table of words and, behind them, of pairs of words."""
PAIR: Final = 2_654_435_761
WORD_CHARS: Final = 24
MEMORY_WORDS: Final = 16_384
"""Words remembered with their rows, about 500 bytes each; when it is full the memory starts anew."""
_WORDS: Final = re.compile(r"[a-z]+|[0-9]+|[^\sa-z0-9]|\n")
_RUNS: Final = re.compile(r"([^\w\s])\1{3,}")
_RUNNING: Final = ("!!!!", "????", "....", "----", "====", "****", "####", "~~~~", ",,,,")
_SPACES: Final = re.compile(r"[ \t\r\f\v]+")
_LINES: Final = re.compile(r"\s*\n\s*")
_OPTION: Final = re.compile(r"\n\(?[a-j][.)] ")
_FOLDED: Final = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."})
ALWAYS: Final = 0
"""A hashed row that every text has, so that an empty one has any."""
SORTS: Final = 3
"""Columns of a word's row that say what it is: a word at all, a number, letters."""
OFTEN: Final = tuple(1.0 + math.log(max(1, said)) for said in range(READ_CHARS + 1))
"""The weight of a word that is said so often."""
COUNTED: Final = ("\\", "$", "?", "=", "[tools]", "): ", "def ", "python", "%", "_", '"', "(", ",")
"""Each counted as log(1 + n); together with length, words, numbers, lines and options they tell the kinds apart."""
COUNTS: Final = len(COUNTED) + 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One text: the weighted sums over its words of their pieces' vectors and of their hashed rows' columns, the hashed
    rows of its pairs of words (behind those of words), the sum of the weights, and `COUNTS` numbers of order one."""

    vector: Floats
    hashed: Floats
    pairs: NDArray[np.int64]
    weight: float
    counts: list[float]


class TextReader:
    """Reads texts with one table of word pieces (rows and their scales) and one of hashed words; remembers words,
    never texts."""

    def __init__(
        self, vocabulary: Mapping[str, int], table: NDArray[Any], scale: Floats, hashed: Floats | None = None
    ) -> None:
        self._vocabulary, self._table, self._scale = vocabulary, table, scale
        self._hashed = np.zeros((HASHED, 0), np.float32) if hashed is None else hashed
        self._width = table.shape[1]
        self._known = np.zeros((MEMORY_WORDS, self._width + SORTS + self._hashed.shape[1]), np.float32)
        self._hashes = np.zeros(MEMORY_WORDS, np.int64)
        self._known[0, self._width] = 1.0
        self._known[0, self._width + SORTS :] = self._hashed[ALWAYS]
        self._words = _Rows(self._learn)

    def read(self, text: str) -> Reading:
        """Everything the scorer knows about a text."""
        text = normalised(text)
        said = _WORDS.findall(text)
        words = Counter(said)
        if len(self._words) + len(words) >= MEMORY_WORDS:
            self._words.clear()
        row_of = self._words.__getitem__
        rows = [0]
        rows += map(row_of, words)
        weights = [1.0]
        weights += map(OFTEN.__getitem__, words.values())
        total = np.array(weights, np.float32) @ self._known.take(rows, axis=0)
        width = self._width
        weight, numbers, letters = total[width : width + SORTS].tolist()
        return Reading(
            vector=total[:width],
            hashed=total[width + SORTS :],
            pairs=_pairs(self._hashes.take(list(map(row_of, said)))),
            weight=weight,
            counts=_counts(text, len(said), weight, numbers, letters),
        )

    def pieces(self, text: str) -> list[int]:
        """Rows of the table that a text's words are made of."""
        row_of = self._vocabulary.get
        return [row for word in _WORDS.findall(normalised(text)) for row in _split(word, row_of)]

    def _learn(self, word: str, row: int) -> None:
        pieces = list(_split(word, self._vocabulary.get))
        known, width = self._known[row], self._width
        known[:width] = self._scale[pieces] @ self._table[pieces].astype(np.float32)
        known[width : width + SORTS] = 1.0, word.isdigit(), word.isalpha()
        hashed = crc32(word.encode())
        self._hashes[row] = hashed
        known[width + SORTS :] = self._hashed[hashed & (HASHED - 1)]


class _Rows(dict[str, int]):
    """Word to row, from 1 on; a new word takes the next row."""

    def __init__(self, learn: Callable[[str, int], None]) -> None:
        self._learn = learn

    def __missing__(self, word: str) -> int:
        row = len(self) + 1
        self._learn(word, row)
        self[word] = row
        return row


def buckets(text: str) -> tuple[list[int], list[float]]:
    """The hashed rows of a text's words and their weights, the row that every text has first."""
    words = Counter(words_of(text))
    rows = [ALWAYS, *(crc32(word.encode()) & (HASHED - 1) for word in words)]
    return rows, [1.0, *map(OFTEN.__getitem__, words.values())]


def pair_buckets(text: str) -> list[int]:
    """The hashed rows of a text's pairs of neighbouring words, in a table of `TWICE` rows."""
    hashes = np.array([crc32(word.encode()) for word in words_of(text)], np.int64)
    rows: list[int] = (_pairs(hashes) + HASHED).tolist()
    return rows


def _pairs(hashes: NDArray[np.int64]) -> NDArray[np.int64]:
    return ((hashes[:-1] * PAIR + hashes[1:]) >> 7) & (HASHED - 1)


def words_of(text: str) -> list[str]:
    """The words, numbers and marks of a text as they stand in it, in their plain form."""
    return _WORDS.findall(normalised(text))


def normalised(text: str) -> str:
    """Lower case, plain quotes, no accents, single spaces and line ends, bounded length."""
    text = text[:READ_CHARS].strip()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_FOLDED))
        text = "".join(filterfalse(unicodedata.combining, text))
    text = text.lower()
    if "  " in text or "\t" in text or "\r" in text:
        text = _SPACES.sub(" ", text)
    if "\n\n" in text or " \n" in text or "\n " in text:
        text = _LINES.sub("\n", text)
    for run in _RUNNING:
        if run in text:
            return _RUNS.sub(r"\1\1\1", text)
    return text


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


def _counts(text: str, said: int, weight: float, numbers: float, letters: float) -> list[float]:
    log1p, count = math.log1p, text.count
    size = len(text)
    lines = count("\n")
    first = text.find("\na") if lines else -1
    values = [log1p(count(mark)) for mark in COUNTED]
    values += (
        log1p(size) - 5.5,
        log1p(said) - 4.3,
        log1p(numbers),
        numbers / weight * 4.0,
        letters / weight * 2.0 - 1.5,
        log1p(lines),
        log1p(len(_OPTION.findall(text))) if lines else 0.0,
        log1p(first if first >= 0 else size) - 5.5,
    )
    return values
