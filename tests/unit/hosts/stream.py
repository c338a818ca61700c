"""Events as Lambda gets them from Kinesis, and a figure store in memory that fails where the test says."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router_core.errors import StoreError
from router_core.learning.event_alerts import Alert
from router_core.learning.event_figures import Beside, MinuteFigures, Minutes
from router_core.ports import Versioned

NOON = 1_800_000_000 // 60 * 60
"""The start of a minute."""


def outcome(number: int, target: str = "mec/edge-a", **more: Any) -> dict[str, Any]:
    """A good answer of 100 ms and a thousandth of a dollar, one second after the other."""
    record = {
        "kind": "outcome",
        "schema": 1,
        "time": NOON + number % 60,
        "request_id": f"req_{number}",
        "tenant": "acme",
        "status": "completed",
        "target": target,
        "tier": target.partition("/")[0],
        "attempts": [{"target": target, "outcome": "ok", "latency_ms": 100.0, "error": None}],
        "attempt_figures": [[20.0, 10, 5, 0.001]],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        "cost_usd": 0.001,
        "energy_j": 0.0,
        "latency_ms": 100.0,
        "cache": "miss",
        "handoff": None,
    }
    return record | more


def decision(number: int, policy_sha256: str, target: str = "mec/edge-a") -> dict[str, Any]:
    """What a request was decided by."""
    return {
        "kind": "decision", "schema": 1, "time": NOON + number % 60, "request_id": f"req_{number}", "tenant": "acme",
        "chosen": target, "tier": target.partition("/")[0], "confidence": 0.9, "policy_sha256": policy_sha256,
    }  # fmt: skip


def failure(number: int, target: str = "mec/edge-a", **more: Any) -> dict[str, Any]:
    attempt = {"target": target, "outcome": "unavailable", "latency_ms": 5.0, "error": "cut"}
    return outcome(
        number, target, status="failed", attempts=[attempt], attempt_figures=[[None, 0, 0, 0.0]], **more
    )


def feedback(number: int, score: float, target: str = "mec/edge-a") -> dict[str, Any]:
    return {
        "kind": "quality", "schema": 1, "time": NOON + 1.5, "request_id": f"req_{number}", "tenant": "acme",
        "target": target, "source": "feedback", "score": score, "comment_length": 0,
    }  # fmt: skip


def delivered(rows: Iterable[Mapping[str, Any] | bytes], start: int = 0) -> dict[str, Any]:
    """A Kinesis event; bytes are put in as they are."""
    return {
        "Records": [
            {
                "kinesis": {
                    "sequenceNumber": str(start + i),
                    "data": base64.b64encode(
                        row if isinstance(row, bytes) else json.dumps(row).encode()
                    ).decode(),
                }
            }
            for i, row in enumerate(rows)
        ]
    }


def failures(answer: Mapping[str, Any]) -> list[str]:
    return [row["itemIdentifier"] for row in answer["batchItemFailures"]]


NOTHING = Beside()


def no_fault() -> None:
    """Nothing goes wrong."""


@dataclass
class MemoryFigures:
    """A commit is all or nothing. `before` runs in front of one and `after` behind it; either may raise."""

    before: Callable[[], None] = no_fault
    after: Callable[[], None] = no_fault
    marks: set[str] = field(default_factory=set)
    noted: dict[str, str] = field(default_factory=dict)
    table: dict[tuple[str, int], Counter[str]] = field(default_factory=dict)
    stored: dict[str, Versioned] = field(default_factory=dict)
    claims: set[str] = field(default_factory=set)
    commits: int = 0

    def states(self, keys: Collection[str]) -> dict[str, Versioned]:
        return {key: self.stored[key] for key in keys if key in self.stored}

    def notes(self, ids: Collection[str]) -> dict[str, str]:
        assert len(ids) <= 100
        return {name: self.noted[name] for name in ids if name in self.noted}

    def commit(
        self,
        ids: Sequence[str],
        minutes: Minutes,
        states: Mapping[str, tuple[bytes, int]],
        beside: Beside = NOTHING,
    ) -> frozenset[str]:
        self.before()
        assert len(ids) + len(minutes) + len(states) <= 100
        assert len(set(ids)) == len(ids)
        if seen := self.marks & set(ids):
            return frozenset(seen)
        self.commits += 1
        self.marks |= set(ids)
        self.noted |= {name: note for name, note in beside.notes.items() if name in ids}
        for place, figures in minutes.items():
            self.table.setdefault(place, Counter()).update(figures.increments())
        for key, (value, expected) in states.items():
            assert expected == (self.stored[key].version if key in self.stored else 0)
            self.stored[key] = Versioned(value=value, version=expected + 1)
        self.after()
        return frozenset()

    def minutes(self, subject: str, since_s: int, until_s: int) -> dict[int, MinuteFigures]:
        return {
            minute_s: MinuteFigures.of(counts)
            for (name, minute_s), counts in self.table.items()
            if name == subject and since_s <= minute_s <= until_s
        }

    def claim(self, key: str, ttl_s: float) -> bool:
        new = key not in self.claims
        self.claims.add(key)
        return new

    def release(self, key: str) -> None:
        self.claims.discard(key)

    def total(self, subject: str, metric: str) -> float:
        return sum(
            MinuteFigures.of(counts).total(metric)
            for (name, _), counts in self.table.items()
            if name == subject
        )


@dataclass
class Pager:
    """Keeps alerts; `trouble` refuses so many first."""

    trouble: int = 0
    sent: list[Alert] = field(default_factory=list)

    def send(self, alerts: Sequence[Alert]) -> None:
        if self.trouble:
            self.trouble -= 1
            raise StoreError("the event bus is throttled")
        self.sent += alerts
