"""Percentiles of a stream in bounded memory: buckets whose bounds grow by a fixed factor.

A value is known only by its bucket, so that a percentile is off by 2% at most, whatever the distribution; that is what fixed-width buckets or a sample of values can't promise. Buckets of two streams add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

LOWEST: Final = 1e-3
HIGHEST: Final = 1e7
"""Range in the stream's own unit: in milliseconds from a microsecond to about three hours. Values outside count
as the nearest bound."""
RELATIVE_ERROR: Final = 0.02
_GROWTH: Final = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
_PER_BUCKET: Final = 1.0 / math.log(_GROWTH)
_BUCKETS: Final = math.ceil(math.log(HIGHEST / LOWEST) * _PER_BUCKET) + 1
_INVERSE: Final = 1.0 / LOWEST


class Percentiles:
    """Counts per bucket: 577 of them, 5 KB. `add` takes a fraction of a microsecond."""

    __slots__ = ("_counts", "count")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0

    def add(self, value: float) -> None:
        """Count one value; NaN is not counted."""
        if value > LOWEST:
            bucket = math.ceil(math.log(value * _INVERSE) * _PER_BUCKET) if value < HIGHEST else _BUCKETS - 1
        elif value == value:
            bucket = 0
        else:
            return
        self._counts[bucket] += 1
        self.count += 1

    @classmethod
    def of(cls, buckets: Mapping[int, int]) -> Percentiles:
        """From counts by bucket number, as `buckets()` gives them; a number that is no bucket is left out."""
        made = cls()
        for bucket, count in buckets.items():
            if 0 <= bucket < _BUCKETS and count > 0:
                made._counts[bucket] += count
                made.count += count
        return made

    def buckets(self) -> dict[int, int]:
        """Counts of the buckets that hold something: what a store adds up."""
        return {bucket: count for bucket, count in enumerate(self._counts) if count}

    def quantile(self, share: float) -> float | None:
        """The smallest value that `share` (0 to 1) of the values don't exceed, within 2%; None before the first."""
        return _quantile((self,), share)

    def update(self, other: Percentiles) -> None:
        """Add the other stream's counts."""
        self._counts = [mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)]
        self.count += other.count


class RecentPercentiles:
    """Percentiles of the last values only: at least the last `span` (once so many came), at most twice as many."""

    __slots__ = ("_before", "_now", "_span")

    def __init__(self, span: int) -> None:
        self._span = max(1, span)
        self._now = Percentiles()
        self._before = Percentiles()

    @property
    def count(self) -> int:
        """How many values are looked at."""
        return self._now.count + self._before.count

    def add(self, value: float) -> None:
        """Count one value; NaN is not counted."""
        if self._now.count >= self._span:
            self._before, self._now = self._now, Percentiles()
        self._now.add(value)

    def quantile(self, share: float) -> float | None:
        """As `Percentiles.quantile`."""
        return _quantile((self._before, self._now), share)


def _quantile(parts: tuple[Percentiles, ...], share: float) -> float | None:
    total = sum(part.count for part in parts)
    if not total:
        return None
    rank = max(1, math.ceil(min(1.0, max(0.0, share)) * total))
    columns = zip(*(part._counts for part in parts), strict=True)
    for bucket, column in enumerate(columns):
        rank -= sum(column)
        if rank <= 0:
            return _middle(bucket)
    return HIGHEST


def _middle(bucket: int) -> float:
    """The value whose relative distance to both bounds of its bucket is the same."""
    if bucket == 0:
        return LOWEST
    middle: float = LOWEST * 2.0 * _GROWTH**bucket / (_GROWTH + 1.0)
    return min(HIGHEST, middle)
