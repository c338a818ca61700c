"""What a policy would have been worth on requests that another one decided, from their logged chances.

Four estimators, from the simplest to the one that decisions are made on:
DM, the direct method, trusts a model of the answers, and is wrong wherever the model is. IPS weighs what was seen by
how much likelier the new policy would have made it: right on average, and noisy. SNIPS divides by the weights' sum:
calmer, a little biased. DR, doubly robust, takes the model and corrects it by the weighted surprise (Dudik, Langford
and Li, 2011): right when either the chances or the model are, and least noisy; its model may use only what was known
before the request (`PastModel`), so that the correction stays unbiased.

Where the log never tried what the new policy would choose, nothing was seen. That part is not guessed: it counts
as the worst possible at the low end and as the best possible at the high end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.confidence_sequence import ALPHA, Interval, Moments, always, once
from router_core.record import dataclass

Array = NDArray[np.float64]
LEAST_CHANCE: Final = 0.01
"""Logged chance below which a choice counts as never tried: bounds every weight by its inverse."""
TRIED: Final = 0.5
"""Weight from which a decision is a try of the policy's own: less is what two policies would do alike."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """One metric of n decisions under one policy, or as the difference of two. `seen` is what happened, `expected` what the
    model had said of it; `weight` the policy's chance of that choice over the logged one; `model` the model's value of the
    policy's choices. `untried` of `model` is the part that the log never tried; in truth it lies within
    `worst`..`best`. `spread` is the variance that the draw of the choice and its answer bring, before either is seen."""

    seen: Array
    expected: Array
    weight: Array
    model: Array
    spread: Array
    untried: Array
    worst: Array
    best: Array

    def of(self, where: NDArray[np.bool_]) -> Rows:
        """These rows alone."""
        return Rows(**{name: getattr(self, name)[where] for name in Rows.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A mean with its doubt: `interval` 95% for one look, `sequence` for any number of looks. `effective` is how many
    decisions of the policy's own the weighted ones are worth (Kish); of a difference, how many tries of what would
    change."""

    mean: float
    interval: Interval
    sequence: Interval
    count: int
    effective: float


def direct(rows: Rows) -> Array:
    """DM, per decision."""
    return rows.model


def weighted(rows: Rows) -> Array:
    """IPS, per decision."""
    return rows.weight * rows.seen


def doubly_robust(rows: Rows) -> Array:
    """DR, per decision."""
    return rows.model + rows.weight * (rows.seen - rows.expected)


def self_normalised(rows: Rows) -> float:
    """SNIPS: the weighted mean. For the value of one policy, not for a difference, whose weights cancel out."""
    total = float(rows.weight.sum())
    return float(weighted(rows).sum()) / total if total > 0.0 else math.nan


def effective(weight: Array) -> float:
    """Kish's effective sample size."""
    squares = float((weight * weight).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0.0 else 0.0


def value(rows: Rows, alpha: float = ALPHA) -> Value:
    """DR with its intervals; each end counts what was never tried as badly for the policy, or as well, as can be."""
    each = doubly_robust(rows)
    low, high = _doubt(rows, each, rows.worst), _doubt(rows, each, rows.best)
    return Value(
        mean=float(each.mean()) if each.size else math.nan,
        interval=Interval(low=once(low).low, high=once(high).high),
        sequence=Interval(low=always(low, alpha).low, high=always(high, alpha).high),
        count=int(each.size),
        effective=effective(np.where(rows.weight > TRIED, rows.weight, 0.0)),
    )


def _doubt(rows: Rows, each: Array, untried: Array) -> Moments:
    """The mean with `untried` in place of the model's word, and its variance by design: that of what the model says over
    requests, and what the draws bring. Counted from the values seen, a variance misses the rare choices of great weight
    that have not come up yet, and promises too much."""
    moved = untried - rows.untried
    said = Moments.of(rows.model + moved)
    drawn = float(rows.spread.mean()) if said.count else 0.0
    total = float((each + moved).sum())
    squares = (said.spread + drawn) * max(0.0, said.count - 1.0)
    return Moments(count=said.count, total=total, squares=squares + total * total / max(1.0, said.count))


def quantiles(values: Array, weight: Array, shares: tuple[float, ...]) -> dict[float, tuple[float, Interval]]:
    """Weighted percentiles with 95% intervals from the percentiles' own binomial doubt at the effective size."""
    if not values.size or float(weight.sum()) <= 0.0:
        return {share: (math.nan, once(Moments())) for share in shares}
    order = np.argsort(values, kind="stable")
    ordered, reached = values[order], np.cumsum(weight[order])
    reached /= reached[-1]
    worth = max(1.0, effective(weight))

    def at(share: float) -> float:
        place = int(np.searchsorted(reached, min(1.0, max(0.0, share)), side="left"))
        return float(ordered[min(place, ordered.size - 1)])

    found = {}
    for share in shares:
        doubt = 1.96 * math.sqrt(share * (1.0 - share) / worth)
        found[share] = at(share), Interval(low=at(share - doubt), high=at(share + doubt))
    return found


FIRST_WEIGHT: Final = 5.0
"""Answers that the first guess of a target's noise counts for."""


class PastModel:
    """What earlier decisions say about a prediction's error, per target: a shift, shrunk towards none. `scaled` corrects
    by a factor (costs, times) in place of a difference (chances)."""

    def __init__(self, *, scaled: bool = False, prior: float = 20.0) -> None:
        self._scaled, self._prior = scaled, prior
        self._sums: dict[str, tuple[float, float, float]] = {}
        self._noise: dict[str, tuple[float, float]] = {}

    def __call__(self, target: str, predicted: float) -> float:
        """The prediction, corrected."""
        count, seen, said = self._sums.get(target, (0.0, 0.0, 0.0))
        if not self._scaled:
            return predicted + (seen - said) / (count + self._prior)
        usual = said / count * self._prior if count else 0.0
        return predicted * (seen + usual) / (said + usual) if said > 0.0 else predicted

    def learn(self, target: str, predicted: float, seen: float) -> None:
        """What came of one decision, after its own row was made."""
        told = self(target, predicted)
        known, squares = self._noise.get(target, (0.0, 0.0))
        self._noise[target] = known + 1.0, squares + (seen - told) * (seen - told)
        count, total, said = self._sums.get(target, (0.0, 0.0, 0.0))
        self._sums[target] = (count + 1.0, total + seen, said + predicted)

    def noise(self, target: str, at_first: float) -> float:
        """Mean square of what the model missed, `at_first` before anything was seen."""
        known, squares = self._noise.get(target, (0.0, 0.0))
        return (squares + FIRST_WEIGHT * at_first) / (known + FIRST_WEIGHT)


def summary(rows: Rows) -> Mapping[str, float]:
    """All four estimates of one policy's value."""
    if not rows.seen.size:
        return {}
    return {
        "dm": float(direct(rows).mean()),
        "ips": float(weighted(rows).mean()),
        "snips": self_normalised(rows),
        "dr": float(doubly_robust(rows).mean()),
    }
