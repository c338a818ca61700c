"""Shows the monitor's numbers to Prometheus, in a registry of its own.

Nothing is counted here: each scrape asks for one snapshot and translates it, so the request path never touches the
client library and its locks.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from router_core.monitoring import SECONDS_BUCKETS, DeliberationNumbers, Histogram, MonitorSnapshot

_BOUNDS = (*(str(bound) for bound in SECONDS_BUCKETS), "+Inf")


class MonitorCollector(Collector):
    """Collects from `snapshot()`; `version` is shown by `tierwise_build_info`."""

    def __init__(self, snapshot: Callable[[], MonitorSnapshot], *, version: str = "unknown") -> None:
        self._snapshot = snapshot
        self._version = version
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time, so that registering asks for no snapshot."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families, from one snapshot."""
        seen = self._snapshot()
        yield from _request_families(seen)
        yield _histogram("tierwise_decision_seconds", "Time from a context to its decision.", seen.decision)
        yield _histogram(
            "tierwise_overhead_seconds", "What the router adds to a tier's own work.", seen.overhead
        )
        yield _named_histogram("tierwise_ttft_seconds", "Time to the first token.", "target", seen.ttft)
        yield from _deliberation_families(seen.deliberation)
        yield from _target_families(seen)
        build = GaugeMetricFamily("tierwise_build_info", "Always 1.", labels=("version", "python"))
        build.add_metric((self._version, platform.python_version()), 1)
        yield build


def render(collector: MonitorCollector, accept: str = "") -> tuple[bytes, str]:
    """The page and its content type; OpenMetrics when the `Accept` header asks for it, else the text format."""
    encoder, content_type = choose_encoder(accept)
    return encoder(collector.registry), content_type


def _request_families(seen: MonitorSnapshot) -> Iterator[Metric]:
    yield _counter(
        "requests", "Requests by the target that answered.", ("tier", "target", "status"), seen.requests
    )
    yield _counter("cost_usd", "Cost of all billed attempts, USD.", ("tier", "target"), seen.cost_usd)
    yield _counter("fallbacks", "Attempts that went on to another target.", ("from", "to"), seen.fallbacks)
    yield _counter(
        "checks", "Checked answers: kept, unverified, audited.", ("target", "verdict"), seen.checks
    )
    yield _counter("hedges", "Second targets beside a first: won, lost.", ("target", "outcome"), seen.hedges)
    yield _counter("handoffs", "Streams that went on at another target.", (), {(): seen.handoffs})
    yield _counter("tokens", "Tokens by kind: prompt, completion.", ("target", "kind"), seen.tokens)
    cache = {(result,): count for result, count in seen.cache.items()}
    yield _counter("cache", "Cache lookups by result: hit, miss, bypass.", ("result",), cache)
    yield _counter(
        "guard_verdicts", "What the guard's rules came to.", ("rule", "side", "verdict"), seen.guard
    )
    yield _counter("events_dropped", "Event records that were not written.", (), {(): seen.events_dropped})
    yield _counter(
        "policy_refused",
        "Changes of the policy that were refused; the last good one stayed.",
        (),
        {(): seen.policy_refused},
    )


def _target_families(seen: MonitorSnapshot) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "tierwise_target_up", "1 while the target is reachable.", labels=("tier", "target")
    )
    inflight = GaugeMetricFamily(
        "tierwise_target_inflight", "Own requests in flight.", labels=("tier", "target")
    )
    errors = GaugeMetricFamily(
        "tierwise_target_error_rate", "Recent share of errors.", labels=("tier", "target")
    )
    latency = GaugeMetricFamily(
        "tierwise_target_latency_seconds",
        "Recent latency by quantile.",
        labels=("tier", "target", "quantile"),
    )
    for target in seen.targets:
        labels = (target.tier, target.target)
        up.add_metric(labels, 1.0 if target.up else 0.0)
        inflight.add_metric(labels, target.inflight)
        errors.add_metric(labels, target.error_rate)
        for quantile, value_ms in (("0.5", target.p50_ms), ("0.95", target.p95_ms), ("0.99", target.p99_ms)):
            if value_ms is not None:
                latency.add_metric((*labels, quantile), value_ms / 1000.0)
    yield from (up, inflight, errors, latency)


def _deliberation_families(seen: DeliberationNumbers) -> Iterator[Metric]:
    yield _counter(
        "deliberations",
        "Decisions that might be thought about twice, by what came of it.",
        ("agent", "outcome"),
        seen.outcomes,
    )
    cost = {(agent,): usd for agent, usd in seen.cost_usd.items()}
    yield _counter("deliberation_cost_usd", "Cost of models' answers to agents, USD.", ("agent",), cost)
    yield _named_histogram(
        "tierwise_deliberation_seconds", "Time of a model's answer to an agent.", "agent", seen.seconds
    )
    paid = {(decided_by,): usd for decided_by, usd in seen.decision_cost_usd.items()}
    text = "Cost of the answers that decisions waited for, USD."
    yield _counter("deliberated_decision_cost_usd", text, ("decided_by",), paid)
    yield _named_histogram(
        "tierwise_deliberated_decision_seconds",
        "How long thinking held a decision up.",
        "decided_by",
        seen.decision_seconds,
    )


def _named_histogram(name: str, text: str, label: str, values: Mapping[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=(label,))
    for key, histogram in values.items():
        family.add_metric((key,), _cumulative(histogram), histogram.total_s)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=_cumulative(histogram), sum_value=histogram.total_s)


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    return list(zip(_BOUNDS, accumulate(map(float, histogram.counts)), strict=True))


def _counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(f"tierwise_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
