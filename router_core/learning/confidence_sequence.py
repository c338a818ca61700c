"""How far a mean may be from the truth: for one look, and for as many looks as anybody wants.

An interval for one look covers its 95% only when it is looked at once, at a moment chosen beforehand. Whoever looks
every minute and stops at the first good moment is wrong far more often. A confidence sequence holds at all moments at
once, so decisions are made on it alone. This one is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha
and Kennedy, "Time-uniform central limit theory and asymptotic confidence sequences" (Annals of Statistics 52, 2024): a
normal mixture over the running mean. It needs three numbers that add up, and no bound on the values, which costs and
latencies do not have.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from router_core.record import dataclass

Array = NDArray[np.float64]
ALPHA: Final = 0.05
NORMAL_95: Final = 1.959963984540054
TUNED_TO: Final = 1000.0
"""Observations at which the sequence is narrowest; before and after it is a little wider than it could be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From `low` to `high`; both infinite where nothing is known."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


UNKNOWN: Final = Interval(low=-math.inf, high=math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Count, sum and sum of squares of values: what several processes can add up."""

    count: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def with_value(self, value: float) -> Moments:
        """With one more value."""
        return Moments(count=self.count + 1.0, total=self.total + value, squares=self.squares + value * value)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            count=self.count + other.count,
            total=self.total + other.total,
            squares=self.squares + other.squares,
        )

    @classmethod
    def of(cls, values: ArrayLike) -> Moments:
        array = np.asarray(values, dtype=np.float64)
        return cls(count=float(array.size), total=float(array.sum()), squares=float((array * array).sum()))

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else math.nan

    @property
    def spread(self) -> float:
        """Variance of the values; infinite below two."""
        if self.count < 2.0:
            return math.inf
        return max(0.0, self.squares - self.total * self.total / self.count) / (self.count - 1.0)

    @property
    def error(self) -> float:
        """Variance of the mean; infinite below two values."""
        return self.spread / self.count if self.count else math.inf


def once(moments: Moments) -> Interval:
    """95%, for one look at a moment chosen beforehand: the normal interval."""
    return around(moments.mean, NORMAL_95 * math.sqrt(moments.error))


def always(moments: Moments, alpha: float = ALPHA, tuned_to: float = TUNED_TO) -> Interval:
    """1 - `alpha`, at all moments at once."""
    return around(moments.mean, math.sqrt(moments.error) * factor(moments.count, alpha, tuned_to))


def around(mean: float, radius: float) -> Interval:
    """The interval of this radius; everything where one of them is not known."""
    if not (math.isfinite(mean) and math.isfinite(radius)):
        return UNKNOWN
    return Interval(low=mean - radius, high=mean + radius)


def factor(count: float, alpha: float = ALPHA, tuned_to: float = TUNED_TO) -> float:
    """By how many standard errors of the mean a sequence reaches after `count` values; about 3 where 1.96 hold once."""
    if count <= 0.0:
        return math.inf
    wanted = -2.0 * math.log(alpha)
    scaled = count * (wanted + math.log(1.0 + wanted)) / tuned_to
    return math.sqrt((1.0 + 1.0 / scaled) * (math.log(1.0 + scaled) + wanted))


def path(values: Array, alpha: float = ALPHA, tuned_to: float = TUNED_TO) -> tuple[Array, Array]:
    """Low and high ends after each value, as somebody sees them who looks after each."""
    count = np.arange(1.0, values.size + 1.0)
    mean = np.cumsum(values) / count
    spread = np.maximum(0.0, np.cumsum(values * values) - mean * mean * count) / np.maximum(1.0, count - 1.0)
    wanted = -2.0 * math.log(alpha)
    scaled = count * ((wanted + math.log(1.0 + wanted)) / tuned_to)
    radius = np.sqrt(spread / count * (1.0 + 1.0 / scaled) * (np.log1p(scaled) + wanted))
    radius[:1] = math.inf
    return mean - radius, mean + radius
