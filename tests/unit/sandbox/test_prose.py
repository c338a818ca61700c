"""The stand-ins' words: pieces join to the text, and a continuation makes one text with its beginning."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.prose import brief, continuation, lengthened, split_pieces, stand_in_text

FULL = stand_in_text(model="model-a", question="How far is the moon?")


@given(st.text())
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(split_pieces(text)) == text


@given(st.integers(0, len(FULL)))
def test_a_text_cut_anywhere_is_continued_to_itself(cut: int) -> None:
    assert FULL[:cut] + continuation(FULL, FULL[:cut], "model-a") == FULL


@given(st.integers(150, len(FULL)))
def test_another_stand_in_goes_on_where_the_first_stopped(cut: int) -> None:
    other = stand_in_text(model="model-b", question="How far is the moon?")
    assert FULL[:cut] + continuation(other, FULL[:cut], "model-b") == FULL


def test_a_foreign_beginning_is_continued_with_a_plain_notice() -> None:
    assert continuation(FULL, "w0 w1 w2", "model-a").startswith(
        " [carried on by a local stand-in for model-a]"
    )
    assert continuation(FULL, "w0 w1 w2 ", "model-a").startswith("[carried on")


@given(st.integers(0, 2_000))
def test_a_text_is_lengthened_to_at_least_the_asked_tokens(wanted: int) -> None:
    assert len(split_pieces(lengthened(FULL, wanted))) >= wanted


@given(st.text(max_size=500))
def test_brief_is_one_short_line(text: str) -> None:
    line = brief(text)
    assert len(line) <= 80
    assert line.split() == line.split(" ") or not line
