"""The shipped model itself: what it understands, what it refuses, what its vectors are worth.

Floors are the measured figures less two standard deviations at the sample size; they are not aims.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.engines.intent_network import MAX_CHARS
from edge_runtime.engines.onnx_intent import NEVER, OnnxIntentEngine
from edge_runtime.nlu.catalogue import load_catalogue
from edge_runtime.store import SHIPPED
from edge_runtime.training.evaluate import held_out, score
from edge_runtime.training.vocabulary import whole_words

DATA = Path(__file__).parents[2] / "device_data"
FOLDER = SHIPPED / "intent-v1"
COUNT = 150
FLOORS = {
    "training grammar, seen values": 0.97,
    "training grammar, new values": 0.92,
    "training grammar, two or three commands": 0.74,
    "training grammar, conversation": 0.98,
    "second grammar, seen values": 0.69,
    "second grammar, new values": 0.61,
    "second grammar, two or three commands": 0.13,
    "second grammar, conversation": 0.98,
    "training grammar, new values, typing errors and speech": 0.87,
}


@pytest.fixture(scope="module")
def engine() -> OnnxIntentEngine:
    return OnnxIntentEngine.load(FOLDER)


@pytest.fixture(scope="module")
def scores(engine: OnnxIntentEngine) -> dict[str, tuple[float, float]]:
    """Exact match, and the share of accepted answers that are right, on a sample no training saw."""
    words = whole_words((FOLDER / "tokenizer.json").read_text(encoding="utf-8"), held_out=True)
    splits = held_out(load_catalogue(), words, COUNT, seed=20_000)
    figures = {name: score(engine, samples) for name, samples in splits.items()}
    return {name: (figure.exact, figure.right_when_accepted) for name, figure in figures.items()}


@pytest.mark.parametrize("split", FLOORS)
def test_exact_match_of_the_whole_answer_keeps_its_floor(
    split: str, scores: dict[str, tuple[float, float]]
) -> None:
    assert scores[split][0] >= FLOORS[split]


def test_accepted_answers_on_the_second_grammar_are_mostly_right(
    scores: dict[str, tuple[float, float]],
) -> None:
    accepted = [
        scores[split][1]
        for split in FLOORS
        if split in {"second grammar, seen values", "second grammar, new values"}
    ]
    assert len(accepted) == 2 and min(accepted) >= 0.84


def lines(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def test_sentences_written_by_hand_are_understood(engine: OnnxIntentEngine) -> None:
    cases = lines("commands.jsonl")
    right = [engine.parse(str(case["text"])).as_json()["commands"] == case["commands"] for case in cases]
    assert np.mean(right) >= 0.93


def test_conversation_written_by_hand_is_not_taken_for_a_command(engine: OnnxIntentEngine) -> None:
    cases = lines("escalate.jsonl")
    refused = [not engine.parse(str(case["text"])).known for case in cases]
    assert np.mean(refused) >= 0.98


def test_the_contract_s_own_example_is_answered(engine: OnnxIntentEngine) -> None:
    parse = engine.parse("turn off the kitchen lights")
    assert parse.known and parse.reason is None and parse.confidence > 0.9
    assert parse.as_json() == {
        "commands": [{"intent": "light", "slots": {"state": "off", "room": "kitchen"}}]
    }
    assert parse.tokens_in == 7 and parse.latency_ms > 0


def test_two_commands_in_one_sentence_are_both_answered(engine: OnnxIntentEngine) -> None:
    parse = engine.parse("turn off the lights and set a timer for 5 minutes")
    assert [command.as_json() for command in parse.commands] == [
        {"intent": "light", "slots": {"state": "off"}},
        {"intent": "set_timer", "slots": {"duration_s": 300}},
    ]


def test_a_joining_word_inside_one_command_does_not_part_it(engine: OnnxIntentEngine) -> None:
    assert len(engine.parse("set a timer for 1 hour and 20 minutes").commands) == 1
    assert len(engine.parse("remind me to buy bread and milk").commands) == 1


def test_a_refusal_of_one_half_refuses_the_whole(engine: OnnxIntentEngine) -> None:
    for text in (
        "don't turn off the lights and lock the door",
        "turn off the lights and explain black holes",
    ):
        assert not engine.parse(text).known, text


def test_several_rooms_make_several_commands(engine: OnnxIntentEngine) -> None:
    parse = engine.parse("turn on the lights in the kitchen and the hallway")
    assert [command.slots.get("room") for command in parse.commands] == ["kitchen", "hallway"]


def test_a_second_command_borrows_the_verb_of_the_first(engine: OnnxIntentEngine) -> None:
    parse = engine.parse("turn off the lights and the fan")
    assert [(one.intent, one.slots) for one in parse.commands] == [
        ("light", {"state": "off"}),
        ("fan", {"state": "off"}),
    ]


def test_a_smaller_share_of_wrong_answers_asks_for_more_confidence(engine: OnnxIntentEngine) -> None:
    limits = [engine.threshold_for(share) for share in (0.2, 0.1, 0.05, 0.02, 0.01)]
    assert limits == sorted(limits) and limits[0] < limits[-1] <= NEVER
    assert engine.threshold_for(0.025) == engine.threshold_for(0.02)
    assert engine.threshold_for(1e-6) == NEVER


def test_an_incomplete_command_is_known_to_be_incomplete(engine: OnnxIntentEngine) -> None:
    parse = engine.parse("set a timer")
    assert not parse.known and parse.as_json() == {"commands": []}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "x" * (MAX_CHARS + 1),
        "and " * 140,
        "\x00\x01\ud83d\ude00",
        "ا" * 200,
        "turn " * 100,
        "1" * 599,
    ],
)
def test_hostile_text_is_refused_and_never_raises(engine: OnnxIntentEngine, text: str) -> None:
    parse = engine.parse(text)
    assert not parse.known and parse.reason


def test_a_stricter_threshold_refuses_more(engine: OnnxIntentEngine) -> None:
    assert engine.parse("turn off the kitchen lights", threshold=0.0).known
    strict = engine.parse("turn off the kitchen lights", threshold=1.1)
    assert not strict.known and strict.commands and strict.as_json() == {"commands": []}


def test_vectors_are_unit_length_and_put_like_beside_like(engine: OnnxIntentEngine) -> None:
    vectors = engine.embed(
        [
            "set a timer for ten minutes",
            "start a ten minute countdown",
            "what is the capital of france",
            "paris is the capital city of france",
        ]
    )
    assert vectors.shape == (4, 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    likeness = vectors @ vectors.T
    assert min(likeness[0, 1], likeness[2, 3]) > likeness[:2, 2:].max() + 0.2


def test_a_vector_does_not_depend_on_its_neighbours(engine: OnnxIntentEngine) -> None:
    alone, together = (
        engine.embed(["good morning"]),
        engine.embed(["a much longer text " * 9, "good morning"]),
    )
    assert np.array_equal(alone[0], together[1])
    assert engine.embed([]).shape == (0, 384)
