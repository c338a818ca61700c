"""What the scorer sees does not depend on how a text is dressed up, and reading is bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.learning.scorer_text import COUNTS, HASHED, READ_CHARS, TextReader, normalised

WORDS = ("what", "is", "the", "##s", "capital", "of", "fran", "##ce", "?", "2", "in", "1789")
TEXT = "What is the capital of France? In 1789"


def reader() -> TextReader:
    table = np.eye(len(WORDS), dtype=np.int8)
    return TextReader({word: row for row, word in enumerate(WORDS)}, table, np.ones(len(WORDS), np.float32))


@pytest.mark.parametrize(
    "dressed", [TEXT.upper(), TEXT.title(), f"  {TEXT}\t\n", TEXT.replace(" ", "   "), TEXT.replace("a", "á")]
)
def test_dress_does_not_matter(dressed: str) -> None:
    plain, other = reader().read(TEXT), reader().read(dressed)
    assert (plain.vector == other.vector).all()
    assert plain.counts == other.counts
    assert (plain.hashed == other.hashed).all()


def test_words_are_split_into_the_longest_pieces() -> None:
    assert [WORDS[row] for row in reader().pieces("France capitals")] == [
        "fran",
        "##ce",
        "capital",
        "##s",
    ]


def test_an_unknown_word_has_no_piece_but_is_hashed() -> None:
    found = reader().read("zzz")
    assert not found.vector.any()
    assert len(found.hashed) == 2


def test_reading_stops_at_a_bound() -> None:
    assert len(normalised("ab " * READ_CHARS)) <= READ_CHARS
    assert len(reader().read("!" * 10_000).hashed) < 20


@given(st.text(max_size=300))
def test_any_text_can_be_read_twice_alike(text: str) -> None:
    one, two = reader().read(text), reader().read(text)
    assert one.counts == two.counts
    assert len(one.counts) == COUNTS
    assert np.isfinite(one.counts).all()
    assert len(one.hashed) >= 1
    assert ((one.hashed >= 0) & (one.hashed < HASHED)).all()
