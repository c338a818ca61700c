"""The training sentences: the same for a seed, labelled where the words really stand, disjoint by split."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from edge_runtime.nlu.catalogue import NONE, load_catalogue
from edge_runtime.nlu.decode import NEXT, Span, assemble
from edge_runtime.training.grammar import Hole, expand, fill, forms, load_phrases, parse_pattern
from edge_runtime.training.lexicon import load_values
from edge_runtime.training.personal import KINDS
from edge_runtime.training.samples import Mix, Sampler

CATALOGUE = load_catalogue()
WORDS = ("river", "stone", "market", "window", "paper", "silver")


def sampler(mix: Mix, seed: int = 3) -> Sampler:
    return Sampler(CATALOGUE, WORDS, mix, seed)


def test_same_seed_gives_the_same_sentences_and_another_seed_gives_others() -> None:
    first, second, other = (sampler(Mix(), seed) for seed in (3, 3, 4))
    drawn = [first.draw() for _ in range(300)]
    assert drawn == [second.draw() for _ in range(300)]
    assert drawn != [other.draw() for _ in range(300)]


@pytest.mark.parametrize("mix", [Mix(), Mix(split="valid"), Mix(split="test", use_new=True)])
def test_the_marked_words_read_back_as_the_meant_command(mix: Mix) -> None:
    source = sampler(mix)
    for _ in range(1_500):
        sample = source.command()
        spans = [Span(slot=slot, start=start, end=end) for start, end, slot in sample.spans]
        made = assemble(CATALOGUE.intents[str(sample.intent)], sample.text, spans)
        assert made.fault is None, (sample, made.fault)
        assert made.commands == sample.commands, sample


def test_joined_commands_are_parted_by_marks_and_all_are_meant() -> None:
    source = sampler(Mix(pair_share=1.0, none_share=0.0))
    for _ in range(300):
        sample = source.draw()
        if sample.intent == NONE:
            continue
        marks = [(start, end) for start, end, slot in sample.spans if slot == NEXT]
        assert 1 <= len(marks) <= 2 and len(sample.commands) >= len(marks) + 1
        assert all(sample.text[start:end].strip() for start, end in marks)


def test_every_intent_has_phrasings_for_training_calibration_and_test() -> None:
    counts = Counter((phrase.intent, phrase.split) for phrase in load_phrases())
    for intent in CATALOGUE.intents:
        assert counts[intent, "train"] >= 8, intent
        assert counts[intent, "valid"] >= 3, intent
        assert counts[intent, "test"] >= 4, intent
    assert len(CATALOGUE.intents) - 1 >= 40


def test_no_phrasing_stands_in_two_splits() -> None:
    patterns: dict[str, set[str]] = {}
    for phrase in load_phrases():
        patterns.setdefault(phrase.split, set()).add(f"{phrase.intent} {phrase.pattern}")
    assert not patterns["train"] & (patterns["valid"] | patterns["test"])
    assert not patterns["valid"] & patterns["test"]


def test_no_value_is_both_seen_and_new() -> None:
    for kind, lists in load_values().items():
        assert not set(lists["seen"]) & set(lists["new"]), kind


def test_conversation_carries_no_slot() -> None:
    source = sampler(Mix(none_share=1.0))
    for _ in range(300):
        sample = source.draw()
        assert (sample.intent, sample.spans, sample.commands) == (NONE, (), ())
        assert all(sample.text[start:end].strip() for start, end, _ in sample.personal)


def test_talk_says_its_task_and_whether_it_is_hard_and_marks_personal_data() -> None:
    source = sampler(Mix(none_share=1.0))
    drawn = [source.draw() for _ in range(2_000)]
    assert {"chat", "summarize", "classify", "extract", "embed"} <= {sample.task for sample in drawn}
    assert {sample.hard for sample in drawn} == {True, False}
    assert {kind for sample in drawn for _, _, kind in sample.personal} == set(KINDS)


def test_a_command_that_is_forbidden_beside_another_makes_the_whole_no_command() -> None:
    source = sampler(Mix(none_share=0.0, pair_share=1.0))
    drawn = [source.draw() for _ in range(600)]
    forbidden = [sample for sample in drawn if sample.intent == NONE]
    assert forbidden and not any(sample.commands for sample in forbidden)


def test_macros_stand_for_their_line_and_a_slash_can_be_part_of_a_word() -> None:
    (hole,) = parse_pattern("{unit=km\\/h/mph}").parts[0].options[0].parts  # type: ignore[union-attr]  # one hole
    assert isinstance(hole, Hole) and hole.words == ("km/h", "mph")
    assert not [phrase.pattern for phrase in load_phrases() if "<" in phrase.pattern]
    assert forms(parse_pattern("(a|b|) c {x=1/2}")) == 6


def test_unbalanced_brackets_are_refused() -> None:
    for pattern in ("(a|b", "a|b)", "((a)"):
        with pytest.raises(ValueError, match="brackets"):
            parse_pattern(pattern)


def test_pieces_join_with_single_spaces_and_spans_stay_on_the_value() -> None:
    import random

    pieces = expand(parse_pattern("turn  {state=on} the (|) {room} light"), random.Random(0))
    filled = fill(pieces, lambda hole: hole.words[0] if hole.words else "kids room")
    assert filled.text == "turn on the kids room light"
    assert [filled.text[start:end] for start, end, _ in filled.spans] == ["on", "kids room"]


def test_catalogue_beside_the_shipped_model_is_the_source() -> None:
    from edge_runtime.nlu.catalogue import SOURCE
    from edge_runtime.store import SHIPPED

    shipped = json.loads((SHIPPED / "intent-v1" / "catalogue.json").read_text(encoding="utf-8"))
    assert shipped == json.loads(SOURCE.read_text(encoding="utf-8"))
