"""Monitor snapshots for tests, and a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass

from router_core.monitoring import (
    SECONDS_BUCKETS,
    DeliberationNumbers,
    Histogram,
    MonitorSnapshot,
    TargetNumbers,
)


@dataclass(slots=True)
class SetClock:
    """Clock whose time is what the test says."""

    time_s: float = 1000.0

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s


def histogram(*filled: int) -> Histogram:
    """Counts in the buckets of these indices, half a second in all each."""
    counts = [0] * (len(SECONDS_BUCKETS) + 1)
    for bucket in filled:
        counts[bucket] += 1
    return Histogram(counts=tuple(counts), total_s=0.5 * len(filled))


def target(name: str = "mec/a", **changes: object) -> TargetNumbers:
    values: dict[str, object] = {
        "target": name, "tier": "mec", "up": True, "inflight": 2, "p50_ms": 10.0, "p95_ms": 20.0, "p99_ms": None,
        "error_rate": 0.1, "requests_per_s": 1.0, "anomaly": None,
    }  # fmt: skip
    return TargetNumbers(**{**values, **changes})  # type: ignore[arg-type]  # the defaults above have the fields' types


def snapshot(*, times: int = 1, targets: tuple[TargetNumbers, ...] = ()) -> MonitorSnapshot:
    """A snapshot whose counts are multiples of `times`."""
    return MonitorSnapshot(
        requests={("mec", "mec/a", "completed"): 3 * times, ("cloud", "cloud/b", "failed"): times},
        fallbacks={("mec/a", "cloud/b"): 2 * times},
        handoffs=times,
        cost_usd={("cloud", "cloud/b"): 0.25 * times},
        tokens={("mec/a", "prompt"): 10 * times, ("mec/a", "completion"): 20 * times},
        cache={"hit": times, "miss": 4 * times},
        decision=histogram(*[0, 1, 19] * times),
        overhead=histogram(*[2] * times),
        ttft={"mec/a": histogram(*[5] * times)},
        events_dropped=7 * times,
        policy_refused=3 * times,
        targets=targets,
        deliberation=DeliberationNumbers(
            outcomes={("router", "followed"): 2 * times},
            cost_usd={"router": 0.5 * times},
            seconds={"router": histogram(*[6, 7] * times)},
            decision_cost_usd={"deliberated": 0.25 * times},
            decision_seconds={"deliberated": histogram(*[8] * times)},
        ),
    )
