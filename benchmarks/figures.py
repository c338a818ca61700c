"""The arithmetic of measurements and the shape in which every section hands over what it found."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


class SkippedError(Exception):
    """Something that is not installed, or does not start here; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure. `rounds` interleaved, each of `seconds` of load; `calls` of a function; `streams` one
    after another; `levels` of streams at once."""

    rounds: int = 5
    seconds: int = 3
    calls: int = 4000
    streams: int = 60
    levels: tuple[int, ...] = (32, 64, 128, 256)


QUICK = Effort(rounds=1, seconds=1, calls=400, streams=8, levels=(32,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table as it is printed; `note` says how to read it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one section found. `figures` are the numbers that goals speak of, by goal key."""

    name: str
    tables: tuple[Table, ...]
    figures: Mapping[str, float] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank). Raises `ValueError`
    when there are none or `share` is outside (0, 1]."""
    ordered = sorted(values)
    if not ordered or not 0.0 < share <= 1.0:
        raise ValueError("a percentile needs values and a share in (0, 1]")
    return ordered[math.ceil(share * len(ordered)) - 1]


def median(values: Iterable[float]) -> float:
    """The middle value; of an even number, the mean of the middle two. Raises `ValueError` when there are none."""
    return statistics.median(values)


def added(ours: Sequence[float], direct: Sequence[float]) -> float:
    """Median over rounds of what a round's contestant took more than the direct call of the same round."""
    return median([a - b for a, b in zip(ours, direct, strict=True)])


def slope(small: tuple[int, float], large: tuple[int, float]) -> float:
    """Cost per extra unit of size between two (size, cost) points."""
    return (large[1] - small[1]) / (large[0] - small[0])


def shown(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, without an exponent, thousands separated."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"
