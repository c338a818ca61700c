"""What happened lately beside what happened before, per target: the figures in which a pattern is looked for.

Counts what passes by on its way to the event log, in whole hours, for a day; no text, no tenant. Flags are set by fixed
rules over enough requests, so that a model is only asked where something may be the matter, and is told what the rules saw.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from router_core.events import REPORTED
from router_core.ports import Clock, EventSink

HOUR_S: Final = 3600.0
HOURS: Final = 24
RECENT: Final = 2
"""Hours that count as lately, the one that runs among them."""
LEAST: Final = 30
"""Requests of a target below which no rate is compared."""
MOST_TARGETS: Final = 32
TIMES: Final = 1.25
"""Growth of cost or time that is a flag."""
ERRORS: Final = 0.05
QUALITY: Final = 0.05
_NOT_OURS: Final = frozenset((REPORTED, "execute_on_device", "cancelled"))


@dataclass(slots=True)
class Sums:
    """One target's hour."""

    requests: int = 0
    failed: int = 0
    fallbacks: int = 0
    cost_usd: float = 0.0
    latency_ms: float = 0.0
    score: float = 0.0
    scores: int = 0

    def add(self, other: Sums) -> None:
        """Fold another hour in."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def rates(self) -> dict[str, float | int | None]:
        """What is compared; None where nobody knows."""
        count = self.requests
        return {
            "requests": count,
            "error_rate": round(self.failed / count, 4) if count else None,
            "fallback_rate": round(self.fallbacks / count, 4) if count else None,
            "cost_usd": round(self.cost_usd / count, 8) if count else None,
            "latency_ms": round(self.latency_ms / count, 1) if count else None,
            "quality": round(self.score / self.scores, 4) if self.scores >= LEAST else None,
        }


@dataclass(slots=True)
class Hour:
    """All targets in one hour."""

    number: int
    targets: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))


class Lately:
    """`EventSink` in front of another: passes every record on, and counts it."""

    def __init__(self, events: EventSink, clock: Clock) -> None:
        self._events, self._clock = events, clock
        self._hours: deque[Hour] = deque(maxlen=HOURS)

    @property
    def dropped(self) -> int:
        """Of the sink behind."""
        return getattr(self._events, "dropped", 0)

    def emit(self, record: Mapping[str, Any]) -> None:
        """Pass on, then count."""
        self._events.emit(record)
        kind = record.get("kind")
        if kind == "outcome" and record["status"] not in _NOT_OURS:
            self._outcome(record)
        elif kind == "quality":
            sums = self._now().targets[record["target"]]
            sums.score += record["score"]
            sums.scores += 1

    async def close(self) -> None:
        """The sink behind."""
        await self._events.close()

    def shown(self) -> dict[str, Any]:
        """Per target the recent rates beside those before, and what the rules flag."""
        newest = self._number()
        recent = _summed(hour for hour in self._hours if hour.number > newest - RECENT)
        before = _summed(hour for hour in self._hours if hour.number <= newest - RECENT)
        names = sorted(recent, key=lambda name: -recent[name].requests)[:MOST_TARGETS]
        told = {
            name: {"recent": recent[name].rates(), "before": before.get(name, Sums()).rates()}
            for name in names
        }
        flags = [f"{name}: {flag}" for name, both in told.items() for flag in flags_of(**both)]
        return {"targets": told, "flags": flags}

    def _outcome(self, record: Mapping[str, Any]) -> None:
        sums = self._now().targets[record["target"]]
        sums.requests += 1
        sums.failed += record["status"] == "failed"
        sums.fallbacks += len(record["attempts"]) > 1
        sums.cost_usd += record["cost_usd"]
        sums.latency_ms += record["latency_ms"]

    def _now(self) -> Hour:
        number = self._number()
        if not self._hours or self._hours[-1].number != number:
            self._hours.append(Hour(number))
        return self._hours[-1]

    def _number(self) -> int:
        return int(self._clock.now_s() // HOUR_S)


def flags_of(recent: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """What fixed rules call conspicuous: `errors`, `cost`, `latency`, `quality`; nothing over a handful of requests."""
    if recent["requests"] < LEAST:
        return []
    flags = ["errors"] if recent["error_rate"] > ERRORS + 2 * (before["error_rate"] or 0.0) else []
    if before["requests"] < LEAST:
        return flags
    flags += [
        flag
        for flag, figure in (("cost", "cost_usd"), ("latency", "latency_ms"))
        if recent[figure] > TIMES * before[figure] > 0.0
    ]
    qualities = recent["quality"], before["quality"]
    if None not in qualities and qualities[0] < qualities[1] - QUALITY:
        flags.append("quality")
    return flags


def _summed(hours: Iterable[Hour]) -> dict[str, Sums]:
    found: dict[str, Sums] = defaultdict(Sums)
    for hour in hours:
        for name, sums in hour.targets.items():
            found[name].add(sums)
    return found
