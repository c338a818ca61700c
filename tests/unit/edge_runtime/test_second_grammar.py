"""The second grammar tests unseen phrasing: none of its sentences may be next to one that was trained on."""

from __future__ import annotations

import pytest

from edge_runtime.nlu.catalogue import load_catalogue
from edge_runtime.store import SHIPPED
from edge_runtime.training.nearness import NEAR, distance, near_pairs
from edge_runtime.training.noise import CLEAN
from edge_runtime.training.samples import Mix, Sampler
from edge_runtime.training.vocabulary import whole_words

CATALOGUE = load_catalogue()
TOKENIZER_JSON = (SHIPPED / "intent-v1" / "tokenizer.json").read_text(encoding="utf-8")


def test_no_sentence_of_it_is_within_three_letters_of_training() -> None:
    """A sample of both; `python -m benchmarks --only device` takes everything that was trained on."""
    trained = Sampler(CATALOGUE, whole_words(TOKENIZER_JSON, held_out=False), Mix(), seed=0)
    sentences = [trained.draw().text for _ in range(12_000)]
    mix = Mix(split="test", use_new=True, random_share=0.0, noise=CLEAN)
    tests = Sampler(CATALOGUE, whole_words(TOKENIZER_JSON, held_out=True), mix, seed=777)
    assert near_pairs([tests.command().text for _ in range(300)], sentences) == []


def test_a_near_sentence_is_found() -> None:
    trained = ["turn off the kitchen lights", "play some jazz", "what time is it"]
    assert near_pairs(["turn of the kitchen light"], trained) == [
        ("turn of the kitchen light", "turn off the kitchen lights")
    ]
    assert near_pairs(["turn on the kitchen fans"], trained) == []


@pytest.mark.parametrize(
    ("left", "right", "apart"),
    [
        ("", "", 0),
        ("abc", "abd", 1),
        ("abc", "bc", 1),
        ("kitten", "sitting", 3),
        ("abcd", "wxyz", NEAR + 1),
        ("", "abcd", NEAR + 1),
    ],
)
def test_distance_counts_letters(left: str, right: str, apart: int) -> None:
    assert distance(left, right) == distance(right, left) == apart
