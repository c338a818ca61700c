"""The probe on metrics that were really put: rates, errors and trouble of CloudWatch itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from gateway.composition.plan import plan
from gateway.composition.targets import build_adapters
from gateway.settings.loading import load
from router_core.adapters.aws.client import AwsThreads
from router_core.adapters.aws.cloudwatch_metrics import (
    BEDROCK,
    ECS,
    FAULTS,
    SAGEMAKER,
    CloudWatchProbe,
    Watch,
)
from router_core.errors import ConfigurationError, StoreError
from tests.localmoto import Clients, client, environment, unique


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def threads() -> AsyncIterator[AwsThreads]:
    made = AwsThreads(workers=1, waiting=4)
    yield made
    await made.close()


def put(aws: Clients, watch: Watch, dimensions: dict[str, str], minutes_ago: int, **values: float) -> None:
    at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    data: list[dict[str, Any]] = [
        {
            "MetricName": watch.queries[name].metric,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Timestamp": at,
            "Value": value,
        }
        for name, value in values.items()
    ]
    aws("cloudwatch").put_metric_data(Namespace=watch.namespace, MetricData=data)


WATCHES = [
    (SAGEMAKER, ("EndpointName", "VariantName"), 250_000.0),
    (BEDROCK, ("ModelId",), 250.0),
    (ECS, ("LoadBalancer", "TargetGroup"), 0.25),
]


@pytest.mark.parametrize(("watch", "names", "latency"), WATCHES, ids=["sagemaker", "bedrock", "ecs"])
async def test_a_target_that_answers_is_up_and_tells_how_much(
    aws: Clients, threads: AwsThreads, watch: Watch, names: tuple[str, ...], latency: float
) -> None:
    dimensions = {name: unique("d") for name in names}
    put(aws, watch, dimensions, 3, invocations=40.0, latency_ms=latency)
    put(aws, watch, dimensions, 2, invocations=2.0, errors=1.0)
    put(aws, watch, {name: unique("other") for name in names}, 2, invocations=7_000.0)
    reading = await CloudWatchProbe(aws("cloudwatch"), watch, dimensions, threads=threads).probe()
    assert (reading.up, reading.requests_total) == (True, 42.0)
    assert reading.detail == "42 invocations, 1 errors, 0 throttles, 250 ms on average"


async def test_only_errors_mean_down(aws: Clients, threads: AwsThreads) -> None:
    dimensions = {"ModelId": unique("model")}
    put(aws, BEDROCK, dimensions, 2, errors=5.0, throttles=3.0)
    reading = await CloudWatchProbe(aws("cloudwatch"), BEDROCK, dimensions, threads=threads).probe()
    assert not reading.up
    assert reading.detail == "0 invocations, 5 errors, 3 throttles"


async def test_silence_speaks_against_nobody(aws: Clients, threads: AwsThreads) -> None:
    dimensions = {"ModelId": unique("model")}
    reading = await CloudWatchProbe(aws("cloudwatch"), BEDROCK, dimensions, threads=threads).probe()
    assert (reading.up, reading.requests_total) == (True, 0.0)


async def test_each_minute_counts_once_and_looks_are_rare(aws: Clients, threads: AwsThreads) -> None:
    dimensions, clock = {"ModelId": unique("model")}, Time()
    put(aws, BEDROCK, dimensions, 4, invocations=10.0)
    probe = CloudWatchProbe(aws("cloudwatch"), BEDROCK, dimensions, threads=threads, monotonic=clock)
    first = await probe.probe()
    put(aws, BEDROCK, dimensions, 2, invocations=5.0)
    clock.now += 59.0
    assert await probe.probe() is first
    clock.now += 1.0
    second = await probe.probe()
    assert (first.requests_total, second.requests_total) == (10.0, 15.0)


async def test_a_cloudwatch_that_is_away_says_nothing_of_the_target(threads: AwsThreads) -> None:
    """The first look ends as down, because whoever starts must not wait; later ones wait, and the reading grows old."""
    away = client("http://127.0.0.1:9", "cloudwatch")
    probe = CloudWatchProbe(away, BEDROCK, {"ModelId": "m"}, threads=threads)
    reading = await probe.probe()
    away.close()
    assert not reading.up
    assert reading.detail.startswith("CloudWatch cannot be reached")


async def test_later_trouble_makes_the_probe_wait_for_better_times(aws: Clients, threads: AwsThreads) -> None:
    dimensions, clock = {"ModelId": unique("model")}, Time()
    faulty: Any = Faulty(aws("cloudwatch"))
    probe = CloudWatchProbe(faulty, BEDROCK, dimensions, every_s=0.05, threads=threads, monotonic=clock)
    assert (await probe.probe()).up
    faulty.trouble, clock.now = 2, clock.now + 1.0
    waiting = asyncio.create_task(probe.probe())
    while faulty.trouble:
        await asyncio.sleep(0.01)
        clock.now += 1.0
    assert not waiting.done()
    clock.now += 1.0
    assert (await waiting).up


class Faulty:
    """A CloudWatch that refuses as often as `trouble` says."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.trouble = 0

    def get_metric_data(self, **request: Any) -> Any:
        if self.trouble:
            self.trouble -= 1
            raise StoreError("CloudWatch is throttled")
        return self._client.get_metric_data(**request)


def test_every_error_that_cloudwatch_lists_is_known() -> None:
    model = botocore.session.get_session().get_service_model("cloudwatch")
    listed = {shape.name for shape in model.operation_model("GetMetricData").error_shapes}
    assert listed and listed <= set(FAULTS)


TARGETS = """
[[targets]]
name = "cloud/own"
kind = "sagemaker"
model = "llama-3.1-8b"
region = "eu-central-1"
endpoint = "own"
[targets.cloudwatch]
EndpointName = "{name}"
VariantName = "AllTraffic"
"""


async def test_a_target_whose_metrics_are_named_is_looked_at_there(
    aws: Clients, aws_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, file = unique("endpoint"), tmp_path / "tierwise.toml"
    file.write_text(TARGETS.format(name=name))
    for variable, value in environment(aws_endpoint).items():
        monkeypatch.setenv(variable, value)
    put(aws, SAGEMAKER, {"EndpointName": name, "VariantName": "AllTraffic"}, 2, invocations=9.0)
    built = build_adapters(plan(load(str(file), {}), {}, sandbox=False))
    assert (await built.probes["cloud/own"].probe()).requests_total == 9.0
    for close in built.closers:
        await close()


def test_a_device_model_has_no_metrics_there(tmp_path: Path) -> None:
    file = tmp_path / "tierwise.toml"
    file.write_text(
        '[[targets]]\nname = "device/a"\nkind = "onnx"\nmodel = "intent-v1"\ncloudwatch = {ModelId = "x"}\n'
    )
    with pytest.raises(ConfigurationError, match="cloudwatch"):
        load(str(file), {})
