"""Fits the confidence on phrasings that were not trained on, and chooses the default threshold.

Two weights and a bias map the network's two weakest links to the chance of an exactly right answer.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_runtime.engines.model_folder import Calibration
from edge_runtime.engines.onnx_intent import OnnxIntentEngine, RawOutput, confidence_of
from edge_runtime.nlu.catalogue import NONE
from edge_runtime.nlu.decode import assemble
from edge_runtime.training.samples import Sample

WANTED_ACCURACY = 0.97
"""Of accepted answers on unseen phrasings; above the promised 0.95 to leave room for chance."""

LOWEST = 0.5
FEWEST = 50
"""Fewer judged answers than this cannot be fitted: the model then refuses nearly everything."""

Judged = tuple[RawOutput, bool]


def judge(engine: OnnxIntentEngine, samples: Sequence[Sample]) -> list[Judged]:
    """Network output and whether the commands are exactly right, where an answer is at all possible."""
    judged: list[Judged] = []
    for sample in samples:
        raw = engine.raw(sample.text)
        if raw.intent == NONE or sample.intent is None:
            continue
        made = assemble(engine.catalogue.intents[raw.intent], sample.text, raw.tagged.spans)
        if made.fault is None:
            judged.append((raw, made.commands == sample.commands))
    return judged


def fit_calibration(judged: Sequence[Judged], rounds: int = 60) -> Calibration:
    """Logistic regression by Newton steps with a small ridge; deterministic."""
    if len(judged) < FEWEST:
        return Calibration(intent_weight=1.0, tag_weight=0.0, bias=0.0, threshold=0.99)
    inputs = np.array([[*_links(raw), 1.0] for raw, _ in judged])
    right = np.array([float(good) for _, good in judged])
    weights = np.array([0.5, 0.5, 0.0])
    ridge = np.diag([1.0, 1.0, 0.1])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (chance - right) + ridge @ (weights - np.array([0.5, 0.5, 0.0]))
        bend = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + ridge
        weights = weights - np.linalg.solve(bend, slope)
    rough = _calibration(weights, LOWEST)
    confidence = np.array([confidence_of(rough, raw) for raw, _ in judged])
    return _calibration(weights, choose_threshold(confidence, right))


def choose_threshold(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """The lowest threshold from which on accepted answers are right often enough; never below one half."""
    order = np.argsort(-confidence, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.nonzero(accuracy >= WANTED_ACCURACY)[0]
    if len(good) == 0:
        return 0.99
    return round(max(LOWEST, float(confidence[order[int(good[-1])]])), 4)


def _links(raw: RawOutput) -> tuple[float, float]:
    intent, tag = (min(max(p, 1e-6), 1 - 1e-6) for p in (raw.intent_probability, raw.tagged.weakest))
    return float(np.log(intent / (1 - intent))), float(np.log(tag / (1 - tag)))


def _calibration(weights: npt.NDArray[np.float64], threshold: float) -> Calibration:
    return Calibration(
        intent_weight=round(float(weights[0]), 6),
        tag_weight=round(float(weights[1]), 6),
        bias=round(float(weights[2]), 6),
        threshold=threshold,
    )
