"""The parts of training that need no torch: targets, batches, vocabulary, calibration."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tokenizers import Tokenizer

from edge_runtime.engines.intent_network import RawOutput, confidence_of
from edge_runtime.engines.model_folder import Calibration
from edge_runtime.engines.onnx_intent import NEVER
from edge_runtime.nlu.catalogue import NONE, load_catalogue
from edge_runtime.nlu.decode import NEXT, Tagged, assemble, read_tags
from edge_runtime.store import SHIPPED
from edge_runtime.training.calibrate import (
    accepted_wrong,
    conformal_threshold,
    fit_calibration,
    wrong_after_splits,
)
from edge_runtime.training.features import IGNORED, Names, batches, tag_names, tag_row
from edge_runtime.training.personal import KINDS
from edge_runtime.training.samples import Mix, Sampler
from edge_runtime.training.vocabulary import prune, whole_words

CATALOGUE = load_catalogue()
TOKENIZER_JSON = (SHIPPED / "intent-v1" / "tokenizer.json").read_text(encoding="utf-8")
WORDS = whole_words(TOKENIZER_JSON, held_out=False)
INTENTS = tuple(CATALOGUE.intents)
TAGS = tag_names(
    (*dict.fromkeys(slot for intent in CATALOGUE.intents.values() for slot in intent.slots), NEXT)
)
NAMES = Names(
    intents=INTENTS,
    tags=TAGS,
    tasks=("command", "chat", "classify", "extract", "summarize", "embed"),
    personal=tag_names(KINDS),
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_str(TOKENIZER_JSON)


def test_perfect_tags_give_back_the_meant_commands(tokenizer: Tokenizer) -> None:
    """What the network could reach at most: the notation itself loses less than one sentence in a hundred."""
    sampler = Sampler(CATALOGUE, WORDS, Mix(), seed=9)
    index = {tag: at for at, tag in enumerate(TAGS)}
    wrong = 0
    for _ in range(600):
        sample = sampler.command()
        offsets = tokenizer.encode(sample.text).offsets
        row = [0 if tag == IGNORED else tag for tag in tag_row(offsets, sample.spans, index)]
        chances = np.eye(len(TAGS), dtype=np.float32)[row]
        tagged = read_tags(sample.text, offsets, chances, TAGS)
        made = assemble(CATALOGUE.intents[str(sample.intent)], sample.text, tagged.spans)
        wrong += made.commands != sample.commands
    assert wrong <= 6


def test_batches_hold_every_sentence_once_with_its_own_targets(tokenizer: Tokenizer) -> None:
    sampler = Sampler(CATALOGUE, WORDS, Mix(none_share=0.6), seed=5)
    pool = [sampler.draw() for _ in range(96)]
    made = batches(pool, tokenizer.encode_batch([s.text for s in pool]), NAMES, 16, seed=1)
    assert sorted(int(row) for batch in made for row in batch.picked) == list(range(96))
    for batch in made:
        assert (batch.tags[batch.mask == 0] == IGNORED).all()
        for at, row in enumerate(batch.picked):
            intent = pool[int(row)].intent
            assert batch.intents[at] == (IGNORED if intent is None else INTENTS.index(intent))
            assert batch.text[at, 0] == (intent != NONE)
            assert NAMES.tasks[batch.text[at, 2]] == pool[int(row)].task or intent == NONE
    assert (np.concatenate([batch.personal.ravel() for batch in made]) > 0).any()


def test_pruning_keeps_special_tokens_letters_and_order() -> None:
    vocabulary = prune(TOKENIZER_JSON, size=500)
    document = json.loads(vocabulary.tokenizer)
    pieces: dict[str, int] = document["model"]["vocab"]
    assert len(pieces) == len(vocabulary.kept) == 500
    assert sorted(pieces.values()) == list(range(500))
    assert {"[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "##a", "7", "ß"} <= set(pieces)
    assert pieces["[PAD]"] == 0
    small = Tokenizer.from_str(vocabulary.tokenizer)
    ends = small.encode("a cab").tokens
    assert (ends[0], ends[-1]) == ("[CLS]", "[SEP]") and "[UNK]" not in ends


def test_words_for_training_and_for_evaluation_do_not_meet() -> None:
    assert not set(WORDS) & set(whole_words(TOKENIZER_JSON, held_out=True))


def output(intent: float, tag: float) -> RawOutput:
    return RawOutput(
        intent="light",
        intent_probability=intent,
        command_probability=0.9,
        tagged=Tagged(spans=(), weakest=tag),
        tokens=5,
    )


def test_fitted_confidence_matches_how_often_it_is_right() -> None:
    rng = np.random.default_rng(0)
    judged = []
    for _ in range(4_000):
        chance = float(rng.uniform(0.05, 0.999))
        judged.append((output(chance, chance), bool(rng.random() < chance)))
    calibration = fit_calibration(judged)
    confidence = np.array([confidence_of(calibration, raw) for raw, _ in judged])
    right = np.array([good for _, good in judged])
    for low in (0.1, 0.3, 0.5, 0.7, 0.9):
        inside = (confidence >= low) & (confidence < low + 0.1)
        assert abs(right[inside].mean() - confidence[inside].mean()) < 0.08


def test_threshold_is_the_lowest_that_keeps_accepted_answers_right() -> None:
    confidence = np.linspace(1.0, 0.5, 1_001)
    right = np.ones(1_001)
    right[500:] = 0.0
    limit = conformal_threshold(confidence, right, 0.03)
    wrong, taken = accepted_wrong(confidence, right, limit)
    assert 0.02 <= wrong <= 0.03 and 0.5 < taken < 0.53
    assert conformal_threshold(confidence, np.zeros(1_001), 0.03) == NEVER
    assert conformal_threshold(confidence[:20], np.ones(20), 0.02) == NEVER, "twenty answers prove no 2%"


def test_the_promise_holds_on_the_half_that_did_not_choose() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.0, 1.0, 4_000)
    right = (rng.random(4_000) < 1 - (1 - confidence) ** 2).astype(float)
    splits = wrong_after_splits(confidence, right, 0.02, 100, seed=0)
    assert splits.shape == (100, 2)
    assert splits[:, 0].mean() <= 0.02 + 2 * splits[:, 0].std() / 10
    assert splits[:, 1].mean() > 0.1


def test_too_few_answers_to_judge_make_a_model_that_refuses() -> None:
    assert fit_calibration([(output(0.9, 0.9), True)]).threshold == 0.99


def test_confidence_rises_with_either_link() -> None:
    weights = Calibration(intent_weight=0.7, tag_weight=0.8, command_weight=0.3, bias=0.1, threshold=0.5)
    weak, strong = confidence_of(weights, output(0.6, 0.6)), confidence_of(weights, output(0.9, 0.9))
    assert weak < confidence_of(weights, output(0.9, 0.6)) < strong
    assert 0.0 < confidence_of(weights, output(0.0, 0.0)) < confidence_of(weights, output(1.0, 1.0)) <= 1.0
