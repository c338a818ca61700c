"""What a process did between two looks at its own counters, as metric values.

The event stream can't tell these: how long deciding took is in no record, and a record that was dropped is in no stream.
"""

from __future__ import annotations

from router_core.monitoring import SECONDS_BUCKETS, Histogram, MonitorSnapshot

_LONGEST_S = 60.0


def interval_figures(before: MonitorSnapshot | None, now: MonitorSnapshot) -> list[tuple[str, float]]:
    """Values named as in `router_core.deployment.METRICS`; decision times as the upper bounds of their buckets."""
    dropped, refused, decision = 0, 0, None
    if before is not None:
        dropped, refused, decision = before.events_dropped, before.policy_refused, before.decision
    return [
        ("EventsDropped", float(max(0, now.events_dropped - dropped))),
        ("PolicyRefused", float(max(0, now.policy_refused - refused))),
        *(("DecisionMs", value) for value in _milliseconds(decision, now.decision)),
    ]


def _milliseconds(before: Histogram | None, now: Histogram) -> list[float]:
    bounds = (*SECONDS_BUCKETS, _LONGEST_S)
    earlier = before.counts if before is not None else (0,) * len(bounds)
    counts = [max(0, n - m) for n, m in zip(now.counts, earlier, strict=True)]
    return [bound * 1000.0 for bound, count in zip(bounds, counts, strict=True) for _ in range(count)]
