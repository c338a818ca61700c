"""The metrics page: the names of the contract, values that add up, and nothing global."""

from __future__ import annotations

import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from router_core.adapters.prometheus import MonitorCollector, render
from router_core.monitoring import SECONDS_BUCKETS
from tests.unit.events.snapshots import snapshot, target

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def samples(page: bytes) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(page.decode())
        for sample in family.samples
    }


def shown(*, times: int = 1) -> Samples:
    source = snapshot(times=times, targets=(target(), target("mec/b", up=False, inflight=0)))
    return samples(render(MonitorCollector(lambda: source, version="1.2"))[0])


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("tierwise_requests_total", {"tier": "mec", "target": "mec/a", "status": "completed"}, 3.0),
        ("tierwise_cost_usd_total", {"tier": "cloud", "target": "cloud/b"}, 0.25),
        ("tierwise_fallbacks_total", {"from": "mec/a", "to": "cloud/b"}, 2.0),
        ("tierwise_handoffs_total", {}, 1.0),
        ("tierwise_tokens_total", {"target": "mec/a", "kind": "completion"}, 20.0),
        ("tierwise_cache_total", {"result": "hit"}, 1.0),
        ("tierwise_events_dropped_total", {}, 7.0),
        ("tierwise_policy_refused_total", {}, 3.0),
        ("tierwise_target_up", {"tier": "mec", "target": "mec/a"}, 1.0),
        ("tierwise_target_up", {"tier": "mec", "target": "mec/b"}, 0.0),
        ("tierwise_target_inflight", {"tier": "mec", "target": "mec/a"}, 2.0),
        ("tierwise_target_latency_seconds", {"tier": "mec", "target": "mec/a", "quantile": "0.95"}, 0.02),
        ("tierwise_decision_seconds_count", {}, 3.0),
        ("tierwise_decision_seconds_sum", {}, 1.5),
        ("tierwise_overhead_seconds_count", {}, 1.0),
        ("tierwise_ttft_seconds_count", {"target": "mec/a"}, 1.0),
    ],
)
def test_the_contracts_names_and_labels_carry_the_snapshots_values(
    name: str, labels: dict[str, str], value: float
) -> None:
    assert shown()[name, tuple(sorted(labels.items()))] == value


def test_histograms_are_cumulative_up_to_infinity() -> None:
    """Values in the first, the second and the last bucket: 1, 2, 2, ..., 2, 3."""
    found = shown()
    buckets = [found["tierwise_decision_seconds_bucket", (("le", str(bound)),)] for bound in SECONDS_BUCKETS]
    assert buckets == [1.0, *[2.0] * (len(SECONDS_BUCKETS) - 1)]
    assert found["tierwise_decision_seconds_bucket", (("le", "+Inf"),)] == 3.0


def test_each_page_shows_the_numbers_of_its_moment() -> None:
    times = iter((1, 2))
    collector = MonitorCollector(lambda: snapshot(times=next(times)))
    values = [samples(render(collector)[0])["tierwise_handoffs_total", ()] for _ in range(2)]
    assert values == [1.0, 2.0]


def test_process_and_build_are_shown() -> None:
    found = shown()
    assert any(name == "tierwise_build_info" and ("version", "1.2") in labels for name, labels in found)
    assert found["process_resident_memory_bytes", ()] > 1e6


def test_openmetrics_is_given_to_who_asks_and_is_valid() -> None:
    page, content_type = render(MonitorCollector(lambda: snapshot(targets=(target(),))), OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    families = parse_openmetrics(page.decode())  # type: ignore[no-untyped-call]  # published without annotations
    names = {family.name for family in families}
    assert {"tierwise_requests", "tierwise_ttft_seconds", "tierwise_target_up"} <= names
    assert render(MonitorCollector(snapshot))[1].startswith("text/plain")


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    evil = 'a"} 1\ntierwise_handoffs_total 99\n'
    page, _ = render(MonitorCollector(lambda: snapshot(targets=(target(evil),))))
    found = samples(page)
    assert found["tierwise_handoffs_total", ()] == 1.0
    assert found["tierwise_target_up", (("target", evil), ("tier", "mec"))] == 1.0


def test_two_collectors_live_side_by_side_and_the_global_registry_knows_neither() -> None:
    first, second = MonitorCollector(lambda: snapshot(times=1)), MonitorCollector(lambda: snapshot(times=2))
    values = [samples(render(each)[0])["tierwise_handoffs_total", ()] for each in (first, second)]
    assert values == [1.0, 2.0]
    assert b"tierwise" not in prometheus_client.generate_latest()
