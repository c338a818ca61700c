"""What the monitor knows, as plain numbers that can be added up over workers and shown by any exporter."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Final

from router_core.record import dataclass

SECONDS_BUCKETS: Final = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts per bucket of `SECONDS_BUCKETS` (not cumulative; the last one is above all), and the sum in seconds."""

    counts: tuple[int, ...]
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNumbers:
    """One target's figures; latency percentiles in milliseconds over recent requests, None before the first."""

    target: str
    tier: str
    up: bool
    inflight: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float
    requests_per_s: float
    anomaly: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliberationNumbers:
    """What thinking twice came to: decisions by (agent, outcome), USD and time of models' answers by agent. Of decisions that
    were thought about, by what decided them: USD of the answers that each waited for, and how long it was held up."""

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    cost_usd: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, Histogram] = field(default_factory=dict)
    decision_cost_usd: dict[str, float] = field(default_factory=dict)
    decision_seconds: dict[str, Histogram] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "outcomes": [[*k, v] for k, v in self.outcomes.items()],
            "cost_usd": dict(self.cost_usd),
            "seconds": {k: [list(h.counts), h.total_s] for k, h in self.seconds.items()},
            "decision_cost_usd": dict(self.decision_cost_usd),
            "decision_seconds": {k: [list(h.counts), h.total_s] for k, h in self.decision_seconds.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSnapshot:
    """All counters since start. Keys of `requests` are (tier, target, status), of `fallbacks` (from, to),
    of `cache` hit | miss | bypass, of `ttft` the target, of `checks` (target, kept | unverified | audited), of `hedges`
    (second target, won | lost), of `guard` (rule, side, verdict)."""

    requests: dict[tuple[str, str, str], int]
    fallbacks: dict[tuple[str, str], int]
    handoffs: int
    cost_usd: dict[tuple[str, str], float]
    tokens: dict[tuple[str, str], int]
    cache: dict[str, int]
    decision: Histogram
    overhead: Histogram
    ttft: dict[str, Histogram]
    events_dropped: int
    policy_refused: int
    targets: tuple[TargetNumbers, ...]
    deliberation: DeliberationNumbers = field(default_factory=DeliberationNumbers)
    checks: dict[tuple[str, str], int] = field(default_factory=dict)
    hedges: dict[tuple[str, str], int] = field(default_factory=dict)
    guard: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """JSON form; tuple keys become lists."""
        return {
            "requests": [[*k, v] for k, v in self.requests.items()],
            "fallbacks": [[*k, v] for k, v in self.fallbacks.items()],
            "handoffs": self.handoffs,
            "cost_usd": [[*k, v] for k, v in self.cost_usd.items()],
            "tokens": [[*k, v] for k, v in self.tokens.items()],
            "cache": dict(self.cache),
            "decision": [list(self.decision.counts), self.decision.total_s],
            "overhead": [list(self.overhead.counts), self.overhead.total_s],
            "ttft": {k: [list(h.counts), h.total_s] for k, h in self.ttft.items()},
            "events_dropped": self.events_dropped,
            "policy_refused": self.policy_refused,
            "deliberation": self.deliberation.as_record(),
            "checks": [[*k, v] for k, v in self.checks.items()],
            "hedges": [[*k, v] for k, v in self.hedges.items()],
            "guard": [[*k, v] for k, v in self.guard.items()],
        }
