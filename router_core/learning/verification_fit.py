"""Fits what decides about checked answers from the event log: weights from all that were judged, bounds from the audited ones.

An answer that was followed by another is not judged, so the kept ones alone would flatter every bound. The audited ones were kept
by a coin, whatever their checks said: only they tell how many of all checked answers are bad, and a half of the
requests, by hash, is set aside for that, so that a bound is never judged on what its weights were fitted on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.logistic import fit_logistic, sigmoid
from router_core.learning.scorer_check import keep_above
from router_core.learning.verification import (
    DECLARED,
    FEATURES,
    NOTHING_KEPT,
    POOLED,
    Group,
    Keeping,
)
from router_core.record import dataclass
from router_core.signals.fingerprint import stable_fraction

Doubles = NDArray[np.float64]
BAD_KEPT: Final = (0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3)
"""Promises for which a bound is fitted."""
RIDGE: Final = 4.0
"""What a declared weight counts for, in judged answers of a middling chance, by column."""
OWN: Final = 200
"""Judged answers from which a target has weights and bounds of its own."""
AUDITED: Final = 50
"""Audited answers below which a bound is not fitted: the declared one stands."""
SOURCES: Final = ("feedback", "judge", "check")
"""Of several judgements of one answer the last named counts."""
LAST: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One checked answer that was judged; `held_out` ones are for bounds alone."""

    target: str
    features: tuple[float, ...]
    audited: bool
    right: float
    held_out: bool


def examples(records: Iterable[Mapping[str, Any]]) -> list[Example]:
    """Checked answers with their judgements, from records in any order."""
    checks: dict[str, Mapping[str, Any]] = {}
    scores: dict[tuple[str, str], tuple[int, float]] = {}
    for record in records:
        if record.get("kind") == "outcome" and record.get("checks"):
            found = [one for one in record["checks"] if one["target"] == record["target"]]
            if found and len(found[-1]["features"]) == len(FEATURES):
                checks[record["request_id"]] = found[-1]
        elif record.get("kind") == "quality" and record.get("source") in SOURCES:
            about, rank = (record["request_id"], record["target"]), SOURCES.index(record["source"])
            if rank >= scores.get(about, (-1, 0.0))[0]:
                scores[about] = rank, float(record["score"])
    joined = (
        (request_id, check, scores.get((request_id, check["target"])))
        for request_id, check in list(checks.items())[-LAST:]
    )
    return [
        Example(
            target=check["target"],
            features=tuple(float(one) for one in check["features"]),
            audited=bool(check["audited"]),
            right=min(1.0, max(0.0, score[1])),
            held_out=stable_fraction(f"held-out:{request_id}") < 0.5,
        )
        for request_id, check, score in joined
        if score is not None
    ]


def fit(judged: Sequence[Example]) -> Keeping:
    """All targets together, and each that was judged often enough."""
    groups = {POOLED: _group(judged, DECLARED)}
    pooled = groups[POOLED].weights
    for target in sorted({one.target for one in judged}):
        own = [one for one in judged if one.target == target]
        if len(own) >= OWN:
            groups[target] = _group(own, pooled)
    return Keeping(groups=groups)


def _group(judged: Sequence[Example], prior: tuple[float, ...]) -> Group:
    shown = [one for one in judged if not (one.audited and one.held_out)]
    weights = _weights(shown, prior)
    audited = [one for one in judged if one.audited and one.held_out]
    return Group(weights=weights, bounds=_bounds(audited, weights), judged=len(judged), audited=len(audited))


def _weights(shown: Sequence[Example], prior: tuple[float, ...]) -> tuple[float, ...]:
    if not shown:
        return prior
    rows = np.array([one.features for one in shown])
    right = np.array([one.right for one in shown])
    fitted = fit_logistic(rows, right, ridge=RIDGE, centre=np.array(prior))
    return tuple(round(float(weight), 4) for weight in fitted)


def _bounds(audited: Sequence[Example], weights: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    if len(audited) < AUDITED:
        return ()
    rows = np.array([one.features for one in audited])
    chances: Doubles = sigmoid(rows @ np.array(weights))
    right = np.array([float(one.right >= 0.5) for one in audited])
    found = ((share, keep_above(np.round(chances, 4), right, share)) for share in BAD_KEPT)
    return tuple((share, round(min(above, NOTHING_KEPT), 4)) for share, above in found)
