"""Commands that no pattern describes are heard by their words; how many, on sentences that neither was made from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router_core.signals.command_words import features, sounds_like_a_command
from router_core.signals.commands import is_command
from router_core.signals.reading import read

DATA = Path(__file__).parents[2] / "device_data"


def share(name: str) -> float:
    texts = [json.loads(line)["text"] for line in (DATA / name).read_text().splitlines()]
    return sum(is_command(read(text).words, 1) for text in texts) / len(texts)


def test_three_of_four_plain_commands_are_heard_and_few_others() -> None:
    assert share("commands.jsonl") >= 0.74
    assert share("escalate.jsonl") <= 0.06


@pytest.mark.parametrize("text", ["lights out", "unlock the back door"])
def test_a_command_needs_no_pattern(text: str) -> None:
    assert is_command(read(text).words, 1)


def test_what_is_empty_or_long_is_none() -> None:
    assert not sounds_like_a_command([])
    assert not sounds_like_a_command(["lights"] * 19)


def test_a_sentence_is_its_words_and_pairs_with_its_ends() -> None:
    assert features(["lights", "out"]) == {"lights", "out", "^ lights", "lights out", "out $"}
