"""Measures a model folder on sentences of known meaning: exact match, refusals, calibration."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.nlu.catalogue import NONE, Catalogue
from edge_runtime.training.noise import POLITE
from edge_runtime.training.samples import Mix, Sample, Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Shares of ``count`` sentences. ``exact`` ignores the threshold; ``right_when_accepted`` applies it."""

    count: int
    exact: float
    intent: float
    accepted: float
    right_when_accepted: float


def held_out(catalogue: Catalogue, words: Sequence[str], count: int, seed: int) -> dict[str, list[Sample]]:
    """The test splits: old and new phrasings crossed with old and new values, pairs, conversation."""
    splits: dict[str, list[Sample]] = {}
    for name, split, use_new in (
        ("seen phrasing, seen values", "train", False),
        ("seen phrasing, new values", "train", True),
        ("new phrasing, seen values", "test", False),
        ("new phrasing, new values", "test", True),
    ):
        mix = Mix(split=split, use_new=use_new, random_share=0.0, noise=POLITE)  # type: ignore[arg-type]  # literal in a loop
        sampler = Sampler(catalogue, words, mix, seed)
        splits[name] = [sampler.command() for _ in range(count)]
    fresh = Sampler(
        catalogue, words, Mix(split="test", use_new=True, random_share=0.0, noise=POLITE), seed + 1
    )
    known = Sampler(catalogue, words, Mix(use_new=True, random_share=0.0, noise=POLITE), seed + 2)
    splits["two commands, seen phrasing, new values"] = [known.pair() for _ in range(count)]
    splits["conversation, seen phrasing"] = [known.conversation() for _ in range(count)]
    splits["conversation, new phrasing"] = [fresh.conversation() for _ in range(count)]
    return splits


def score(engine: OnnxIntentEngine, samples: Sequence[Sample]) -> Score:
    """For conversation ``exact`` is the share that is refused."""
    exact = intent = accepted = right = 0
    for sample in samples:
        parse = engine.parse(sample.text)
        good = parse.commands == sample.commands
        accepted += parse.known
        right += parse.known and good
        intent += parse.intent == (sample.intent or sample.commands[0].intent)
        exact += (not parse.known) if sample.intent == NONE else good
    total = len(samples)
    return Score(
        count=total,
        exact=round(exact / total, 4),
        intent=round(intent / total, 4),
        accepted=round(accepted / total, 4),
        right_when_accepted=round(right / max(1, accepted), 4),
    )


def report(engine: OnnxIntentEngine, splits: dict[str, list[Sample]]) -> dict[str, dict[str, float]]:
    return {name: asdict(score(engine, samples)) for name, samples in splits.items()}
