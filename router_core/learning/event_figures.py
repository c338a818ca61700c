"""What events say in numbers: measurements of one record, and figures per minute that add up in any order.

Decides how a record is counted, once for every consumer: the gateway's own metrics, the stream's consumer, its table.
Sums are whole millionths and percentiles are counts per bucket, so that adding is exact, and late or out-of-order
records change nothing but the minute they belong to. A request's whole cost is booked on the target that served it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from router_core.events import FIGURES, REPORTED
from router_core.execution import FAULTLESS
from router_core.inference import TIERS
from router_core.learning.percentiles import Percentiles
from router_core.record import dataclass

MINUTE_S: Final = 60
MILLION: Final = 1_000_000
NONE: Final = "none"
"""Target and tier of what no target served."""
BESIDE: Final = frozenset({"check", "cancelled"})
"""Outcomes of attempts that nobody fell back from."""
BY_ATTEMPT: Final = ("Attempts", "AttemptErrors")
"""Kept beside the published metrics: a target that fails and is fallen back from serves no request that would tell."""
REFUSED_POLICIES: Final = "RefusedPolicies"
"""Not `PolicyRefused`, which every gateway publishes of itself: counted for the alert alone."""
SPREAD: Final = ("LatencyMs", "TimeToFirstTokenMs")
"""Metrics whose percentiles are kept."""
EARLIEST_S: Final = 1.5e9
LATEST_S: Final = 4.1e9
LONGEST_NAME: Final = 128
MOST_ATTEMPTS: Final = 16
_TTFT: Final = FIGURES.index("ttft_ms")
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measurements of one target: (metric, value) pairs with names of `router_core.deployment.METRICS`, of
    `BY_ATTEMPT`, or `REFUSED_POLICIES`. Tier and target are `NONE` where no target served, the tier also where it is not known."""

    time_s: float
    tier: str
    target: str
    values: tuple[tuple[str, float], ...]

    @property
    def minute_s(self) -> int:
        """The start of the record's minute, epoch seconds."""
        return int(self.time_s) // MINUTE_S * MINUTE_S


def measure(record: Record) -> tuple[Measured, ...]:
    """What one record says; nothing for kinds that hold no measurements. Raises ValueError for what is no event."""
    try:
        kind, time_s = record["kind"], _number(record["time"])
        if not isinstance(kind, str) or not EARLIEST_S <= time_s <= LATEST_S:
            raise ValueError("not an event: its kind or its time is none")
        read = _READERS.get(kind)
        return (
            ()
            if read is None
            else tuple(
                Measured(time_s=time_s, tier=_name(tier), target=_name(target), values=tuple(values))
                for tier, target, values in read(record)
            )
        )
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"not an event: {type(error).__name__} {error}"[:200]) from error


Read = list[tuple[Any, Any, list[tuple[str, float]]]]
"""Tier, target, values; several where a request tried several targets."""


def _decision(record: Record) -> Read:
    if record["chosen"] is None:
        return [(NONE, NONE, [("Requests", 1.0), ("Refusals", 1.0)])]
    return [(record["tier"], record["chosen"], [("Confidence", _number(record["confidence"]))])]


def _outcome(record: Record) -> Read:
    served, status, tries = record["target"], record["status"], record["attempts"]
    _check_attempts(tries, record.get("attempt_figures"))
    reported = status == REPORTED
    failed = tries[-1]["outcome"] not in FAULTLESS if reported else status == "failed"
    values = [("Errors", float(failed)), *_latency(record, good=not failed and status != "cancelled")]
    if not reported:
        values += _request(record)
    read: Read = [(record["tier"], served, values)]
    for attempt in tries:
        target, fault = attempt["target"], attempt["outcome"] not in FAULTLESS
        tier = record["tier"] if target == served else tier_by_name(target)
        read.append((tier, target, [("Attempts", 1.0), ("AttemptErrors", float(fault))]))
    return read


def _check_attempts(tries: Any, rows: Any) -> None:
    """What is learned from attempts later reads them without looking again. `rows` may be missing, not malformed."""
    if not isinstance(tries, list) or len(tries) > MOST_ATTEMPTS:
        raise ValueError("an outcome has no list of attempts, or too many")
    for attempt in tries:
        _name(attempt["target"])
        _number(attempt["latency_ms"])
    if rows is None:
        return
    if len(rows) != len(tries):
        raise ValueError("an outcome's figures are not those of its attempts")
    for ttft_ms, *others in rows:
        told = [_number(figure) for figure in (ttft_ms or 0.0, *others)]
        if len(told) != len(FIGURES):
            raise ValueError("an attempt's figures are incomplete")


def _request(record: Record) -> list[tuple[str, float]]:
    """What a gateway's own outcome tells, and a device's report does not."""
    usage, cache = record["usage"], record.get("cache")
    names = [a["target"] for a in record["attempts"] if a["outcome"] not in BESIDE]
    fallbacks = sum(one != two for one, two in itertools.pairwise(names))
    values = [
        ("Requests", 1.0),
        ("CostUsd", _number(record["cost_usd"])),
        ("Tokens", _number(usage["prompt_tokens"]) + _number(usage["completion_tokens"])),
        ("Fallbacks", float(fallbacks)),
        ("CacheHits", float(cache == "hit")),
        ("CacheMisses", float(cache == "miss")),
    ]
    if record["status"] in ("completed", "failed") and cache != "hit":
        values.append(("DecisionAccuracy", float(record["status"] == "completed" and not fallbacks)))
    return values


def _latency(record: Record, *, good: bool) -> list[tuple[str, float]]:
    if not good or record["status"] == "execute_on_device":
        return []
    values = [("LatencyMs", _number(record["latency_ms"]))]
    rows = record.get("attempt_figures")
    if rows and rows[-1][_TTFT] is not None:
        values.append(("TimeToFirstTokenMs", _number(rows[-1][_TTFT])))
    return values


def _quality(record: Record) -> Read:
    score = min(1.0, _number(record["score"]))
    values = [("Feedback", score)] if record["source"] == "feedback" else []
    return [(tier_by_name(record["target"]), record["target"], values)]


def _policy_refused(record: Record) -> Read:
    return [(NONE, NONE, [(REFUSED_POLICIES, 1.0)])]


_READERS: Final[Mapping[str, Callable[[Record], Read]]] = {
    "decision": _decision,
    "outcome": _outcome,
    "quality": _quality,
    "policy_refused": _policy_refused,
}


def tier_by_name(target: str) -> str:
    """The tier that a target's prefix names, `NONE` without one."""
    tier = target.partition("/")[0]
    return tier if tier in TIERS else NONE


def _number(value: Any) -> float:
    """A finite number of at least 0 and of no absurd size; a boolean is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a figure is no number")
    if not (math.isfinite(value) and 0.0 <= value <= 1e12):
        raise ValueError("a figure is out of range")
    return float(value)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise ValueError("a tier or target is no name")
    return value


class MinuteFigures:
    """Figures of one target or tier in one minute. `sums` are whole millionths, `counts` how many values came."""

    __slots__ = ("counts", "spread", "sums")

    def __init__(self) -> None:
        self.sums: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.spread: dict[str, Percentiles] = {}

    def add(self, values: Iterable[tuple[str, float]]) -> None:
        """Count the values of one record."""
        for metric, value in values:
            self.sums[metric] += round(value * MILLION)
            self.counts[metric] += 1
            if metric in SPREAD:
                self.spread.setdefault(metric, Percentiles()).add(value)

    def update(self, other: MinuteFigures) -> None:
        """Add another's figures; in any order the result is the same."""
        self.sums.update(other.sums)
        self.counts.update(other.counts)
        for metric, percentiles in other.spread.items():
            self.spread.setdefault(metric, Percentiles()).update(percentiles)

    def total(self, metric: str) -> float:
        """Sum of the metric's values."""
        return self.sums[metric] / MILLION

    def mean(self, metric: str) -> float | None:
        """Mean of the metric's values, None without any."""
        return self.total(metric) / self.counts[metric] if self.counts[metric] else None

    def quantile(self, metric: str, share: float) -> float | None:
        """A percentile of one of `SPREAD`, within 2%; None without values."""
        percentiles = self.spread.get(metric)
        return None if percentiles is None else percentiles.quantile(share)

    def increments(self) -> dict[str, int]:
        """As flat whole numbers that a store adds up: `sum.CostUsd`, `count.CostUsd`, `bucket.LatencyMs.371`. Zeros
        are left out."""
        flat = {f"sum.{metric}": value for metric, value in self.sums.items() if value}
        flat |= {f"count.{metric}": value for metric, value in self.counts.items()}
        for metric, percentiles in self.spread.items():
            flat |= {f"bucket.{metric}.{bucket}": n for bucket, n in percentiles.buckets().items()}
        return flat

    @classmethod
    def of(cls, flat: Mapping[str, int]) -> MinuteFigures:
        """Read `increments()` back, also when many were added up; other attributes are passed over."""
        made = cls()
        buckets: dict[str, dict[int, int]] = {}
        for name, value in flat.items():
            kind, _, rest = name.partition(".")
            if kind == "sum":
                made.sums[rest] = int(value)
            elif kind == "count":
                made.counts[rest] = int(value)
            elif kind == "bucket":
                metric, _, bucket = rest.partition(".")
                buckets.setdefault(metric, {})[int(bucket)] = int(value)
        made.spread = {metric: Percentiles.of(counts) for metric, counts in buckets.items()}
        return made


Minutes = dict[tuple[str, int], MinuteFigures]
"""By subject (a target's name, or `tier_subject`) and the minute's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a transaction writes beside its figures: `notes` on marks, by event id, and after how many seconds a state ends,
    by its key; the others stay."""

    notes: Mapping[str, str] = field(default_factory=dict)
    ends_s: Mapping[str, float] = field(default_factory=dict)


def tier_subject(tier: str) -> str:
    """The subject under which a tier's own figures are kept; no target's name begins so."""
    return f"tier#{tier}"


def keys(measured: Iterable[Measured]) -> set[tuple[str, int]]:
    """The keys that `fold` will have: the target and the tier of each, in its minute."""
    return {(subject, one.minute_s) for one in measured for subject in (one.target, tier_subject(one.tier))}


def fold(measured: Iterable[Measured]) -> Minutes:
    """Figures per target and per tier for each minute."""
    minutes: Minutes = {}
    for one in measured:
        for subject in (one.target, tier_subject(one.tier)):
            minutes.setdefault((subject, one.minute_s), MinuteFigures()).add(one.values)
    return minutes
