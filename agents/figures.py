"""Running figures of one target: percentiles over recent traffic, estimates, throughput, and what looks wrong."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from router_core.execution import Attempt
from router_core.learning.estimates import Estimates, Percentiles, fold_outcome, fold_quality
from router_core.monitoring import SECONDS_BUCKETS, Histogram, TargetNumbers
from router_core.resources import TargetSpec

WINDOW_S: Final = 60.0
ERRORS_ODD: Final = 0.2
SLOWER_ODD: Final = 3.0
ENOUGH: Final = 20
NOT_A_FAILURE: Final = frozenset({"ok", "refused", "cancelled"})


class Buckets:
    """A histogram over `SECONDS_BUCKETS`, about 0.3 us per value."""

    __slots__ = ("_counts", "_total_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS_BUCKETS) + 1)
        self._total_s = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(SECONDS_BUCKETS, seconds)] += 1
        self._total_s += seconds

    def histogram(self) -> Histogram:
        return Histogram(counts=tuple(self._counts), total_s=self._total_s)


class TargetFigures:
    """Two windows of a minute each: figures are read over the last full one and the running one."""

    def __init__(self) -> None:
        self.estimates = Estimates()
        self._running, self._last = Percentiles(), Percentiles()
        self._since = 0.0
        self._counts = [0, 0]
        self._usual_ms: float | None = None

    def attempted(self, attempt: Attempt, now: float) -> None:
        """Fold one attempt in."""
        self._turn(now)
        self.estimates = fold_outcome(
            self.estimates,
            ok=attempt.outcome in NOT_A_FAILURE,
            ttft_ms=attempt.ttft_ms,
            latency_ms=attempt.latency_ms if attempt.outcome == "ok" else None,
            output_tokens=attempt.usage.completion_tokens,
        )
        self._counts[0] += 1
        if attempt.outcome == "ok":
            self._running.add(attempt.latency_ms)

    def judged(self, score: float, expected: float) -> None:
        """Fold one judgement in: how much better or worse than expected."""
        self.estimates = fold_quality(self.estimates, score=score, expected=expected)

    def numbers(self, spec: TargetSpec, *, up: bool, inflight: int, now: float) -> TargetNumbers:
        self._turn(now)
        recent = self._last.merged(self._running)
        span = WINDOW_S + max(1.0, now - self._since) if self._counts[1] else max(1.0, now - self._since)
        return TargetNumbers(
            target=spec.name,
            tier=spec.tier,
            up=up,
            inflight=inflight,
            p50_ms=recent.quantile(0.5),
            p95_ms=recent.quantile(0.95),
            p99_ms=recent.quantile(0.99),
            error_rate=self.estimates.error_rate,
            requests_per_s=sum(self._counts) / span,
            anomaly=self._anomaly(recent),
        )

    def _anomaly(self, recent: Percentiles) -> str | None:
        """errors | slow | None: many failures, or a median several times the target's usual one."""
        if recent.count + sum(self._counts) >= ENOUGH and self.estimates.error_rate > ERRORS_ODD:
            return "errors"
        median = recent.quantile(0.5) if recent.count >= ENOUGH else None
        if median is not None and self._usual_ms is not None and median > SLOWER_ODD * self._usual_ms:
            return "slow"
        return None

    def _turn(self, now: float) -> None:
        if now - self._since < WINDOW_S:
            return
        idle = now - self._since >= 2 * WINDOW_S
        median = self._running.quantile(0.5)
        if median is not None and self._running.count >= ENOUGH:
            self._usual_ms = median if self._usual_ms is None else 0.8 * self._usual_ms + 0.2 * median
        self._last = Percentiles() if idle else self._running
        self._running = Percentiles()
        self._counts = [0, 0 if idle else self._counts[0]]
        self._since = now
