"""What the network says about a text beside its commands: task, difficulty, personal data. Advice, never a veto."""

from __future__ import annotations

import pytest

from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.engines.owner import OwnerThread
from edge_runtime.second_opinion import KIND_OF, LONGEST, SecondOpinion, personal_data, united
from edge_runtime.store import SHIPPED
from edge_runtime.training.personal import KINDS
from router_core.errors import NotTakenError, StoreError
from router_core.signals.sensitivity import LEVEL_OF_KIND, level_for, scan


@pytest.fixture(scope="module")
def engine() -> OnnxIntentEngine:
    return OnnxIntentEngine.load(SHIPPED / "intent-v1")


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("turn off the kitchen lights", "command"),
        ("set a timer for ten minutes", "command"),
        ("how was your weekend", "chat"),
        ("summarize this article about bees in one sentence", "summarize"),
        ("is this review positive or negative", "classify"),
        ("extract all the names and dates from this letter", "extract"),
        ("compute the embedding of this sentence", "embed"),
    ],
)
def test_the_task_of_a_plain_request(engine: OnnxIntentEngine, text: str, task: str) -> None:
    assert engine.about(text).task == task


def test_a_proof_is_harder_than_a_greeting(engine: OnnxIntentEngine) -> None:
    hard = engine.about("write a python script that parses log files and explain its complexity in detail")
    assert hard.hard > 0.5 > engine.about("good morning").hard
    assert hard.command < 0.5 < engine.about("lock the front door").command


def marked(engine: OnnxIntentEngine, text: str) -> dict[str, str]:
    return {span.slot: text[span.start : span.end] for span in engine.about(text).personal}


def test_personal_data_is_marked_by_kind(engine: OnnxIntentEngine) -> None:
    text = "my name is Laura Bennett and i live at 12 maple street, reach me at laura.bennett@example.com"
    found = marked(engine, text)
    assert found["PERSON"] == "Laura Bennett"
    assert found["ADDRESS"].startswith("12 maple street")
    assert found["EMAIL"].startswith("laura")


def test_plain_text_and_commands_hold_none(engine: OnnxIntentEngine) -> None:
    for text in (
        "turn off the kitchen lights",
        "what is the capital of france",
        "the meeting is at 10 in room 4",
    ):
        assert marked(engine, text) == {}, text


@pytest.mark.parametrize("text", ["", " ", "\x00", "a" * 20_000, "\ud83d"])
def test_no_text_is_too_odd_for_an_opinion(engine: OnnxIntentEngine, text: str) -> None:
    about = engine.about(text)
    assert 0.0 <= about.hard <= 1.0 and 0.0 <= about.task_probability <= 1.0


def test_every_kind_is_one_that_raises_a_level() -> None:
    assert set(KIND_OF) == set(KINDS)
    assert set(KIND_OF.values()) <= set(LEVEL_OF_KIND)


def test_the_model_adds_to_the_rules_and_takes_nothing_away(engine: OnnxIntentEngine) -> None:
    text = "please update the record of Laura Bennett with the email laura@example.com and card 4111 1111 1111 1111"
    rules, both = scan(text), united(scan(text), personal_data(engine, text))
    covered = {at for span in both for at in range(span.start, span.end)}
    assert all(at in covered for span in rules for at in range(span.start, span.end))
    assert "name" in {span.kind for span in both} and "name" not in {span.kind for span in rules}
    assert level_for(both) == level_for(rules) == "confidential"


async def test_the_scan_reads_all_of_a_long_text_and_says_what_it_does_not_take(
    engine: OnnxIntentEngine,
) -> None:
    owner = OwnerThread()
    opinion = SecondOpinion(engine, owner)
    late = "the weather was fine and we walked along the river. " * 40 + "my name is Laura Bennett"
    assert "name" in (await opinion.remarks(late, "en")).kinds
    assert (await opinion.remarks("turn off the kitchen lights", "en")).kinds == ()
    assert (await opinion.about("turn off the kitchen lights")).task == "command"
    for text, language in (("a" * (LONGEST + 1), "en"), ("mein name ist laura", "de")):
        with pytest.raises(NotTakenError):
            await opinion.remarks(text, language)
    owner.close()
    with pytest.raises(StoreError):
        await opinion.about("turn off the kitchen lights")
