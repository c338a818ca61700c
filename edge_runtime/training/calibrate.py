"""Fits the confidence on phrasings that were not trained on, and chooses the default threshold.

Weights and a bias map the network's weakest links to the chance of an exactly right answer.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_runtime.engines.intent_network import RawOutput, confidence_of, links
from edge_runtime.engines.model_folder import Calibration
from edge_runtime.engines.onnx_intent import NEVER, OnnxIntentEngine
from edge_runtime.nlu.catalogue import NONE
from edge_runtime.nlu.decode import assemble
from edge_runtime.training.samples import Sample

WANTED_WRONG = 0.03
"""Of accepted answers on unseen phrasings, by default."""

SHARES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
LOWEST = 0.5
FEWEST = 50
"""Fewer judged answers than this cannot be fitted: the model then refuses nearly everything."""

Floats = npt.NDArray[np.float64]
_START: Floats = np.array((0.5, 0.5, 0.2, 0.0))
_RIDGE: Floats = np.array((1.0, 1.0, 1.0, 0.1))
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
        return _calibration(np.array((1.0, 0.0, 0.0, 0.0)), 0.99)
    inputs = np.array([[*links(raw), 1.0] for raw, _ in judged])
    right = np.array([float(good) for _, good in judged])
    weights = _START
    for _ in range(rounds):
        weights = _stepped(weights, inputs, right)
    rough = _calibration(weights, LOWEST)
    confidence = np.array([confidence_of(rough, raw) for raw, _ in judged])
    table = {share: conformal_threshold(confidence, right, share) for share in SHARES}
    return _calibration(weights, max(LOWEST, table[WANTED_WRONG]), table)


def _stepped(weights: Floats, inputs: Floats, right: Floats) -> Floats:
    """A Newton step, halved until it does not make things worse: a nearly perfect model has a steep optimum."""
    chance = _logistic(inputs @ weights)
    slope = inputs.T @ (chance - right) + _RIDGE * (weights - _START)
    bend = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(_RIDGE)
    step = np.linalg.solve(bend, slope)
    before = _loss(weights, inputs, right)
    for _ in range(30):
        if _loss(weights - step, inputs, right) <= before:
            return weights - step
        step = step / 2
    return weights


def _loss(weights: Floats, inputs: Floats, right: Floats) -> float:
    chance = _logistic(inputs @ weights)
    likely = np.where(right > 0.5, chance, 1 - chance)
    return float(-np.log(likely).sum() + 0.5 * (_RIDGE * (weights - _START) ** 2).sum())


def _logistic(scores: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(scores, -30.0, 30.0)))


def conformal_threshold(confidence: Floats, right: Floats, wrong: float) -> float:
    """The lowest confidence from which the accepted answers, one more wrong one counted in, are wrong in at most
    this share; `NEVER` when there is none. The one more keeps the promise for the next sentence of the same kind."""
    order = np.argsort(-confidence, kind="stable")
    mistakes = np.cumsum(1.0 - right[order]) + 1.0
    good = np.nonzero(mistakes / np.arange(2, len(order) + 2) <= wrong)[0]
    if len(good) == 0:
        return NEVER
    return math.ceil(float(confidence[order[int(good[-1])]]) * 1e6) / 1e6


def wrong_after_splits(confidence: Floats, right: Floats, wrong: float, splits: int, seed: int) -> Floats:
    """[splits, 2]: share of wrong answers among the accepted and share accepted, of the half that did not choose the
    threshold."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(splits):
        order = rng.permutation(len(confidence))
        choosing, judged = order[: len(order) // 2], order[len(order) // 2 :]
        limit = conformal_threshold(confidence[choosing], right[choosing], wrong)
        rows.append(accepted_wrong(confidence[judged], right[judged], limit))
    return np.array(rows)


def accepted_wrong(confidence: Floats, right: Floats, limit: float) -> tuple[float, float]:
    """Share of wrong answers among those at or above the limit, and how many those are."""
    taken = confidence >= limit
    return float((1 - right[taken]).mean()) if taken.any() else 0.0, float(taken.mean())


def _calibration(weights: Floats, threshold: float, table: dict[float, float] | None = None) -> Calibration:
    rounded = [round(float(weight), 6) for weight in weights]
    return Calibration(
        intent_weight=rounded[0],
        tag_weight=rounded[1],
        command_weight=rounded[2],
        bias=rounded[3],
        threshold=threshold,
        thresholds=table or {},
    )
