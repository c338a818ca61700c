"""What the scorer sees does not depend on how a text is dressed up, and reading is bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.learning.scorer_text import (
    COUNTS,
    HASHED,
    READ_CHARS,
    TextReader,
    buckets,
    normalised,
    pair_buckets,
)

WORDS = ("what", "is", "the", "##s", "capital", "of", "fran", "##ce", "?", "2", "in", "1789")
TEXT = "What is the capital of France? In 1789"


def reader() -> TextReader:
    table = np.eye(len(WORDS), dtype=np.int8)
    hashed = np.random.default_rng(0).normal(size=(HASHED, 4)).astype(np.float32)
    vocabulary = {word: row for row, word in enumerate(WORDS)}
    return TextReader(vocabulary, table, np.ones(len(WORDS), np.float32), hashed)


@pytest.mark.parametrize(
    "dressed", [TEXT.upper(), TEXT.title(), f"  {TEXT}\t\n", TEXT.replace(" ", "   "), TEXT.replace("a", "á")]
)
def test_dress_does_not_matter(dressed: str) -> None:
    plain, other = reader().read(TEXT), reader().read(dressed)
    assert (plain.vector == other.vector).all()
    assert plain.counts == other.counts
    assert (plain.hashed == other.hashed).all()
    assert (plain.pairs == other.pairs).all()


def test_what_is_read_of_a_text_is_what_training_reads() -> None:
    hashed = np.random.default_rng(1).normal(size=(HASHED, 3)).astype(np.float32)
    found = TextReader({}, np.zeros((1, 2), np.int8), np.ones(1, np.float32), hashed).read(
        "to be or not to be 7"
    )
    rows, weights = buckets("to be or not to be 7")
    assert np.allclose(found.hashed, np.array(weights, np.float32) @ hashed[rows], atol=1e-5)
    assert found.weight == pytest.approx(sum(weights))
    assert (found.pairs + HASHED).tolist() == pair_buckets("to be or not to be 7")


def test_a_word_that_is_said_again_counts_less_each_time() -> None:
    once, twice, thrice = (reader().read("capital " * n).vector.max() for n in (1, 2, 3))
    assert once < twice < thrice
    assert thrice - twice < twice - once < once


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
    assert found.weight == 2


def test_reading_stops_at_a_bound() -> None:
    assert len(normalised("ab " * READ_CHARS)) <= READ_CHARS
    assert len(reader().read("!" * 10_000).pairs) < 20


@given(st.text(max_size=300))
def test_any_text_can_be_read_twice_alike(text: str) -> None:
    one, two = reader().read(text), reader().read(text)
    assert one.counts == two.counts
    assert len(one.counts) == COUNTS
    assert np.isfinite(one.counts).all()
    assert np.isfinite(one.hashed).all()
    assert one.weight >= 1
    assert ((one.pairs >= 0) & (one.pairs < HASHED)).all()
