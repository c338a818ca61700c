"""What the scorer sees of a text: the meaning of its words, its hashed words and pairs, and counts that say what kind it is.

Nothing here depends on case, on runs of white space or on accents, so that dressing a request up does not change its
tier. Each word is looked up once and remembered as a row; the work is linear in the text and stops at `READ_CHARS`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from router_core.record import dataclass

Floats = NDArray[np.float32]
READ_CHARS: Final = 4_000
HASHED: Final = 1 << 13
WORD_CHARS: Final = 24
MEMORY_WORDS: Final = 16_384
"""Words remembered with their vectors, about 300 bytes each; when it is full the memory starts anew."""
PAIR: Final = 2_654_435_761
_WORDS: Final = re.compile(r"[a-z]+|[0-9]+|[^\sa-z0-9]|\n")
_RUNS: Final = re.compile(r"([^\w\s])\1{3,}")
_RUNNING: Final = ("!!!!", "????", "....", "----", "====", "****", "####", "~~~~", ",,,,")
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
    """One text: the sum of its pieces' vectors, rows of the hashed table, and `COUNTS` numbers of order one."""

    vector: Floats
    hashed: NDArray[np.int64]
    counts: list[float]


class TextReader:
    """Reads texts with one table of word pieces (rows and their scales); remembers words, never texts."""

    def __init__(self, vocabulary: Mapping[str, int], table: NDArray[Any], scale: Floats) -> None:
        self._vocabulary, self._table, self._scale = vocabulary, table, scale
        self._vectors = np.zeros((MEMORY_WORDS, table.shape[1]), np.float32)
        self._hashes = np.zeros(MEMORY_WORDS, np.int64)
        self._words = _Rows(self._learn)

    def read(self, text: str) -> Reading:
        """Everything the scorer knows about a text."""
        text = normalised(text)
        words = _WORDS.findall(text)
        if len(self._words) + len(words) > MEMORY_WORDS:
            self._words.clear()
        rows = np.array([self._words[word] for word in words], np.int64)
        single = self._hashes[rows]
        pairs = (single[:-1] * PAIR + single[1:]) >> 7
        return Reading(
            vector=np.add.reduce(self._vectors[rows], axis=0),
            hashed=np.concatenate((_ALWAYS, single, pairs)) & (HASHED - 1),
            counts=_counts(text, words),
        )

    def pieces(self, text: str) -> list[int]:
        """Rows of the table that a text's words are made of."""
        row_of = self._vocabulary.get
        return [row for word in _WORDS.findall(normalised(text)) for row in _split(word, row_of)]

    def _learn(self, word: str, row: int) -> None:
        pieces = list(_split(word, self._vocabulary.get))
        self._hashes[row] = crc32(word.encode())
        self._vectors[row] = self._scale[pieces] @ self._table[pieces].astype(np.float32)


class _Rows(dict[str, int]):
    """Word to row; a new word takes the next row."""

    def __init__(self, learn: Callable[[str, int], None]) -> None:
        self._learn = learn

    def __missing__(self, word: str) -> int:
        row = len(self)
        self._learn(word, row)
        self[word] = row
        return row


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


def _counts(text: str, words: list[str]) -> list[float]:
    log1p, count = math.log1p, text.count
    size, many = len(text), len(words)
    numbers = sum(map(str.isdigit, words))
    letters = sum(map(str.isalpha, words))
    lines = count("\n")
    first = text.find("\na") if lines else -1
    values = [log1p(count(mark)) for mark in COUNTED]
    values += (
        log1p(size) - 5.5,
        log1p(many) - 4.3,
        log1p(numbers),
        numbers / (many + 1.0) * 4.0,
        letters / (many + 1.0) * 2.0 - 1.5,
        log1p(lines),
        log1p(len(_OPTION.findall(text))) if lines else 0.0,
        log1p(first if first >= 0 else size) - 5.5,
    )
    return values
