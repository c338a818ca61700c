"""Running figures of one target: percentiles over recent traffic, estimates, throughput, and what looks wrong."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import Final

from router_core.execution import ANSWERED, FAULTLESS, Attempt
from router_core.learning.estimates import Estimates, Timing, fold_idle, fold_outcome
from router_core.learning.percentiles import RecentPercentiles
from router_core.monitoring import SECONDS_BUCKETS, Histogram, TargetNumbers
from router_core.resources import TargetSpec

WINDOW_S: Final = 60.0
ERRORS_ODD: Final = 0.2
SLOWER_ODD: Final = 3.0
ENOUGH: Final = 20
SPAN: Final = 1000
RESTED_S: Final = 10.0


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
    """Latency over the last thousand good answers, moving estimates, throughput of the last minutes."""

    def __init__(self, spec: TargetSpec) -> None:
        self.estimates = Estimates()
        self._spec = spec
        self._recent = RecentPercentiles(SPAN)
        self._usual_ms: float | None = None
        self._counts = [0, 0]
        self._since = 0.0
        self._heard = 0.0

    def attempted(self, attempt: Attempt, now: float) -> None:
        """Fold one attempt in."""
        self._turn(now)
        self._heard = now
        self._counts[0] += 1
        good = attempt.outcome in ANSWERED
        self.estimates = fold_outcome(
            self.estimates,
            ok=attempt.outcome in FAULTLESS,
            timing=self._timing(attempt) if good else None,
        )
        if good:
            self._recent.add(attempt.latency_ms)

    def judged(self, quality_delta: float) -> None:
        """Judgements now say that answers are so much better or worse than expected."""
        estimates = self.estimates
        self.estimates = replace(estimates, quality_delta=quality_delta, judged=estimates.judged + 1)

    def rested(self, now: float) -> None:
        """Fold in that nothing was heard of the target since it was last looked at."""
        idle_s = now - self._heard
        if idle_s < RESTED_S:
            return
        self._heard = now
        self.estimates = fold_idle(
            self.estimates,
            idle_s=idle_s,
            ttft_prior_ms=self._spec.ttft_ms,
            decode_prior_ms=self._spec.decode_ms,
        )

    def numbers(self, *, up: bool, inflight: int, now: float) -> TargetNumbers:
        self._turn(now)
        span = max(1.0, now - self._since) + (WINDOW_S if self._counts[1] else 0.0)
        return TargetNumbers(
            target=self._spec.name,
            tier=self._spec.tier,
            up=up,
            inflight=inflight,
            p50_ms=self._recent.quantile(0.5),
            p95_ms=self._recent.quantile(0.95),
            p99_ms=self._recent.quantile(0.99),
            error_rate=self.estimates.error_rate,
            requests_per_s=sum(self._counts) / span,
            anomaly=self._anomaly(),
        )

    def _timing(self, attempt: Attempt) -> Timing:
        spec = self._spec
        return Timing(
            latency_ms=attempt.latency_ms,
            output_tokens=attempt.usage.completion_tokens,
            ttft_ms=attempt.ttft_ms,
            known_ms=spec.rtt_ms + spec.prefill_ms * attempt.usage.prompt_tokens,
            ttft_prior_ms=spec.ttft_ms,
            decode_prior_ms=spec.decode_ms,
        )

    def _anomaly(self) -> str | None:
        """errors | slow | None: many failures, or a median several times the target's usual one."""
        if self.estimates.samples >= ENOUGH and self.estimates.error_rate > ERRORS_ODD:
            return "errors"
        median = self._recent.quantile(0.5)
        if median is not None and self._usual_ms is not None and median > SLOWER_ODD * self._usual_ms:
            return "slow"
        return None

    def _turn(self, now: float) -> None:
        """Once a minute: a new window for the throughput, and the usual latency moves a little."""
        if now - self._since < WINDOW_S:
            return
        idle = now - self._since >= 2 * WINDOW_S
        median = self._recent.quantile(0.5)
        if median is not None and self._recent.count >= ENOUGH:
            self._usual_ms = median if self._usual_ms is None else 0.9 * self._usual_ms + 0.1 * median
        self._counts = [0, 0 if idle else self._counts[0]]
        self._since = now
