"""Measures a model folder on sentences of known meaning: exact match, refusals, calibration."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.nlu.catalogue import NONE, Catalogue
from edge_runtime.training.calibrate import Floats, accepted_wrong, conformal_threshold, wrong_after_splits
from edge_runtime.training.grammar import Split
from edge_runtime.training.noise import POLITE
from edge_runtime.training.samples import Mix, Sample, Sampler

Graded = tuple[Floats, Floats]
"""Confidence and rightness of each answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Shares of ``count`` sentences. ``exact`` ignores the threshold; ``right_when_accepted`` applies it."""

    count: int
    exact: float
    intent: float
    accepted: float
    right_when_accepted: float


def held_out(catalogue: Catalogue, words: Sequence[str], count: int, seed: int) -> dict[str, list[Sample]]:
    """The test splits: the training grammar and the second one crossed with old and new values, pairs, conversation."""
    splits: dict[str, list[Sample]] = {}
    grammars: tuple[tuple[str, Split], ...] = (("training grammar", "train"), ("second grammar", "test"))
    for name, split in grammars:
        for values, use_new in (("seen values", False), ("new values", True)):
            mix = Mix(split=split, use_new=use_new, random_share=0.0, noise=POLITE)
            sampler = Sampler(catalogue, words, mix, seed)
            splits[f"{name}, {values}"] = [sampler.command() for _ in range(count)]
        mix = Mix(split=split, use_new=True, random_share=0.0, noise=POLITE)
        sampler = Sampler(catalogue, words, mix, seed + 1)
        splits[f"{name}, two or three commands"] = [sampler.pair() for _ in range(count)]
        splits[f"{name}, conversation"] = [sampler.conversation() for _ in range(count)]
    noisy = Sampler(catalogue, words, Mix(use_new=True, random_share=0.0), seed + 2)
    splits["training grammar, new values, typing errors and speech"] = [noisy.command() for _ in range(count)]
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


def as_users_talk(
    catalogue: Catalogue, words: Sequence[str], split: Split, count: int, seed: int
) -> list[Sample]:
    """Sentences of one grammar as a device would meet them: three commands, of old and of new values, to one
    sentence that is none."""
    samples: list[Sample] = []
    for use_new in (False, True):
        sampler = Sampler(
            catalogue, words, Mix(split=split, use_new=use_new, random_share=0.1), seed + use_new
        )
        samples += [sampler.conversation() if at % 4 == 0 else sampler.command() for at in range(count // 2)]
    return samples


def graded(engine: OnnxIntentEngine, samples: Sequence[Sample]) -> Graded:
    """Confidence and rightness of every answer that the engine would give at some threshold, 0 where it gives none."""
    confidence, right = [], []
    for sample in samples:
        parse = engine.parse(sample.text, threshold=0.0)
        confidence.append(parse.confidence if parse.known else 0.0)
        right.append(float(parse.known and parse.commands == sample.commands))
    return np.array(confidence), np.array(right)


def promise(own: Graded, other: Graded, wrong: float, splits: int = 100) -> dict[str, float]:
    """What "at most this share of the accepted answers is wrong" is worth: on halves of one pool, where a half chose
    the threshold for the other, and on another pool, for which the first one chose it."""
    confidence, right = own
    halves = wrong_after_splits(confidence, right, wrong, splits, seed=1)
    shifted = accepted_wrong(*other, conformal_threshold(confidence, right, wrong))
    taken = halves[:, 1].mean() * len(confidence) / 2
    figures = {
        "wrong": halves[:, 0].mean(),
        "sigma": (wrong * (1 - wrong) / max(1.0, taken)) ** 0.5,
        "coverage": halves[:, 1].mean(),
        "wrong, second grammar": shifted[0],
        "coverage, second grammar": shifted[1],
    }
    return {name: round(float(value), 4) for name, value in figures.items()}
