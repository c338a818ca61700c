"""Adds up the numbers of several workers, and carries them between processes as JSON.

Counters and histograms add up exactly. Percentiles can't be added: of several workers the worst is shown, because an
operator who looks at a percentile looks for trouble.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from router_core.monitoring import (
    SECONDS_BUCKETS,
    DeliberationNumbers,
    Histogram,
    MonitorSnapshot,
    TargetNumbers,
)

EMPTY_HISTOGRAM: Final = Histogram(counts=(0,) * (len(SECONDS_BUCKETS) + 1), total_s=0.0)


def merge(snapshots: Iterable[MonitorSnapshot]) -> MonitorSnapshot:
    """The sum; of no snapshot all zeros. The order of snapshots doesn't matter for counts."""
    parts = tuple(snapshots)
    thoughts = [part.deliberation for part in parts]
    return MonitorSnapshot(
        requests=_added(part.requests for part in parts),
        fallbacks=_added(part.fallbacks for part in parts),
        handoffs=sum(part.handoffs for part in parts),
        cost_usd=_added(part.cost_usd for part in parts),
        tokens=_added(part.tokens for part in parts),
        cache=_added(part.cache for part in parts),
        decision=_summed([part.decision for part in parts]),
        overhead=_summed([part.overhead for part in parts]),
        ttft=_summed_by_name(part.ttft for part in parts),
        events_dropped=sum(part.events_dropped for part in parts),
        policy_refused=sum(part.policy_refused for part in parts),
        targets=_targets(parts),
        deliberation=DeliberationNumbers(
            outcomes=_added(thought.outcomes for thought in thoughts),
            cost_usd=_added(thought.cost_usd for thought in thoughts),
            seconds=_summed_by_name(thought.seconds for thought in thoughts),
            decision_cost_usd=_added(thought.decision_cost_usd for thought in thoughts),
            decision_seconds=_summed_by_name(thought.decision_seconds for thought in thoughts),
        ),
        checks=_added(part.checks for part in parts),
        hedges=_added(part.hedges for part in parts),
        guard=_added(part.guard for part in parts),
    )


def to_record(snapshot: MonitorSnapshot) -> dict[str, Any]:
    """JSON form, targets included."""
    return {**snapshot.as_record(), "targets": [asdict(target) for target in snapshot.targets]}


def from_record(record: Mapping[str, Any]) -> MonitorSnapshot:
    """Read `to_record()` or `as_record()` back. Raises ValueError for anything else."""
    try:
        return MonitorSnapshot(
            requests=_triples(record["requests"]),
            fallbacks=_pairs(record["fallbacks"], int),
            handoffs=int(record["handoffs"]),
            cost_usd=_pairs(record["cost_usd"], float),
            tokens=_pairs(record["tokens"], int),
            cache={str(key): int(n) for key, n in record["cache"].items()},
            decision=_histogram(record["decision"]),
            overhead=_histogram(record["overhead"]),
            ttft={str(key): _histogram(value) for key, value in record["ttft"].items()},
            events_dropped=int(record["events_dropped"]),
            policy_refused=int(record["policy_refused"]),
            targets=tuple(TargetNumbers(**target) for target in record.get("targets", ())),
            deliberation=_deliberation(record.get("deliberation", {})),
            checks=_pairs(record.get("checks", ()), int),
            hedges=_pairs(record.get("hedges", ()), int),
            guard=_triples(record.get("guard", ())),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, ValueError) as error:
        raise ValueError(f"not a monitor snapshot: {type(error).__name__}") from error


def _added(tables: Iterable[Mapping[Any, Any]]) -> dict[Any, Any]:
    total: dict[Any, Any] = {}
    for table in tables:
        for key, value in table.items():
            total[key] = total.get(key, 0) + value
    return total


def _summed(histograms: Sequence[Histogram]) -> Histogram:
    if not histograms:
        return EMPTY_HISTOGRAM
    columns = zip(*(histogram.counts for histogram in histograms), strict=True)
    return Histogram(
        counts=tuple(sum(column) for column in columns), total_s=sum(h.total_s for h in histograms)
    )


def _summed_by_name(tables: Iterable[Mapping[str, Histogram]]) -> dict[str, Histogram]:
    found: dict[str, list[Histogram]] = {}
    for table in tables:
        for name, histogram in table.items():
            found.setdefault(name, []).append(histogram)
    return {name: _summed(histograms) for name, histograms in found.items()}


def _targets(parts: Iterable[MonitorSnapshot]) -> tuple[TargetNumbers, ...]:
    seen: dict[str, list[TargetNumbers]] = {}
    for part in parts:
        for target in part.targets:
            seen.setdefault(target.target, []).append(target)
    return tuple(_one_target(views) for _, views in sorted(seen.items()))


def _one_target(views: list[TargetNumbers]) -> TargetNumbers:
    """One target as several workers see it: up if any reaches it, error rate weighted by each one's traffic."""
    rate = sum(view.requests_per_s for view in views)
    errors = sum(view.error_rate * view.requests_per_s for view in views)
    anomalies = Counter(view.anomaly for view in views if view.anomaly is not None).most_common(1)
    return TargetNumbers(
        target=views[0].target,
        tier=views[0].tier,
        up=any(view.up for view in views),
        inflight=sum(view.inflight for view in views),
        p50_ms=_worst(view.p50_ms for view in views),
        p95_ms=_worst(view.p95_ms for view in views),
        p99_ms=_worst(view.p99_ms for view in views),
        error_rate=errors / rate if rate > 0 else max(view.error_rate for view in views),
        requests_per_s=rate,
        anomaly=anomalies[0][0] if anomalies else None,
    )


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _deliberation(record: Mapping[str, Any]) -> DeliberationNumbers:
    return DeliberationNumbers(
        outcomes=_pairs(record.get("outcomes", ()), int),
        cost_usd=_amounts(record, "cost_usd"),
        seconds=_histograms(record, "seconds"),
        decision_cost_usd=_amounts(record, "decision_cost_usd"),
        decision_seconds=_histograms(record, "decision_seconds"),
    )


def _amounts(record: Mapping[str, Any], name: str) -> dict[str, float]:
    return {str(key): float(usd) for key, usd in record.get(name, {}).items()}


def _histograms(record: Mapping[str, Any], name: str) -> dict[str, Histogram]:
    return {str(key): _histogram(value) for key, value in record.get(name, {}).items()}


def _triples(rows: Iterable[Any]) -> dict[tuple[str, str, str], int]:
    return {(str(a), str(b), str(c)): int(n) for a, b, c, n in rows}


def _pairs(rows: Iterable[Any], number: type[Any]) -> dict[tuple[str, str], Any]:
    return {(str(a), str(b)): number(n) for a, b, n in rows}


def _histogram(record: Any) -> Histogram:
    counts, total_s = record
    if len(counts) != len(SECONDS_BUCKETS) + 1:
        raise ValueError("other histogram buckets")
    return Histogram(counts=tuple(int(count) for count in counts), total_s=float(total_s))
