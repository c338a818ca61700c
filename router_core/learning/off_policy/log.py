"""The event log as evidence: what came of each decision, and which policies decided in which hour.

A judgement may come hours after its decision, so the log is read twice: first what came of requests is kept by their id,
then the decisions pass by and find it. What is kept is bounded; beyond the bound the oldest requests are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from router_core.events import REPORTED
from router_core.record import dataclass

MOST: Final = 500_000
"""Requests whose outcome is kept, about 300 bytes each."""
HOUR_S: Final = 3600.0
LONGEST_MS: Final = 600_000.0
Record = Mapping[str, Any]


@dataclass(slots=True)
class Came:
    """What came of one request: NaN where nobody said."""

    failed: float = math.nan
    cost_usd: float = math.nan
    latency_ms: float = math.nan
    score: float = 0.0
    scores: int = 0

    @property
    def quality(self) -> float:
        """Mean of its judgements."""
        return self.score / self.scores if self.scores else math.nan


class Joined:
    """What the first reading keeps. `decisions` counts those that passed by, `left_out` those beyond the bound."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._came: dict[str, Came] = {}
        self._hours: dict[int, Counter[str]] = {}
        self.decisions = 0
        self.left_out = 0

    def fold(self, record: Record) -> None:
        """One record of any kind, in the log's order."""
        kind = record.get("kind")
        if kind == "decision":
            if record.get("chosen") is not None:
                self.decisions += 1
                hour = self._hours.setdefault(_hour(record), Counter())
                hour[str(record.get("policy_sha256"))] += 1
        elif kind == "outcome" and record.get("status") != REPORTED:
            self._outcome(record)
        elif kind == "quality":
            came = self._of(record)
            score = _number(record.get("score"))
            if came is not None and score is not None:
                came.score += min(1.0, score)
                came.scores += 1

    def fold_all(self, records: Iterable[Record]) -> Joined:
        for record in records:
            self.fold(record)
        return self

    def came(self, request_id: str) -> Came | None:
        """What came of this request, None when the log does not say (any more)."""
        return self._came.get(request_id)

    def shares(self, record: Record) -> dict[str, float]:
        """By hash, each policy's part of the decisions in the hour of this one."""
        hour = self._hours.get(_hour(record)) or Counter((str(record.get("policy_sha256")),))
        total = sum(hour.values())
        return {sha256: count / total for sha256, count in hour.items()}

    def _outcome(self, record: Record) -> None:
        came = self._of(record)
        if came is None or record.get("status") in ("cancelled", "execute_on_device"):
            return
        came.failed = float(record.get("status") == "failed")
        if record.get("cache") == "hit":
            # It cost nothing because somebody had asked before: that says nothing of the choice.
            return
        cost, latency = _number(record.get("cost_usd")), _number(record.get("latency_ms"))
        came.cost_usd = math.nan if cost is None else cost
        came.latency_ms = math.nan if latency is None or came.failed else min(LONGEST_MS, latency)

    def _of(self, record: Record) -> Came | None:
        name = record.get("request_id")
        if not isinstance(name, str):
            return None
        found = self._came.get(name)
        if found is None:
            if len(self._came) >= self._most:
                self._came.pop(next(iter(self._came)))
                self.left_out += 1
            found = self._came[name] = Came()
        return found


def _hour(record: Record) -> int:
    return int((_number(record.get("time")) or 0.0) // HOUR_S)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return max(0.0, float(value))
