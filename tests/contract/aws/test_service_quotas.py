"""Quotas over moto (which knows those of VPC only) and over a stand-in, and what they make of a target."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from agents.context import ContextAgent
from agents.resource import ResourceAgent
from gateway.composition.plan import plan
from gateway.composition.targets import build_adapters
from gateway.settings.loading import load
from router_core.adapters.aws.service_quotas import FAULTS, QuotaProbe, ServiceQuotas
from router_core.errors import ConfigurationError, NoCapacityError, StoreError
from router_core.policy.rollout import Rollout
from router_core.ports import Reading
from router_core.routing.decide import decide
from tests.fakes import FakeClock, FakeProbe
from tests.json_aws import ServiceError, StandIn, standing_in
from tests.localmoto import Clients, client, environment, unique
from tests.unit.agents.house import CLOUD, QUICK, ask

CODES = {"requests_per_min": "L-REQUESTS", "tokens_per_min": "L-TOKENS"}
PEERINGS = "L-7E9ECCDB"


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with standing_in() as made:
        yield made


@pytest.fixture
async def quotas(stand_in: StandIn) -> AsyncIterator[ServiceQuotas]:
    with closing(client(stand_in.url, "service-quotas")) as made:
        adapter = ServiceQuotas(made)
        yield adapter
        await adapter.close()


def own(values: Mapping[str, float]) -> Any:
    def said(given: Mapping[str, Any]) -> Any:
        if given["QuotaCode"] not in values:
            return ServiceError("NoSuchResourceException")
        return {"Quota": {"QuotaCode": given["QuotaCode"], "Value": values[given["QuotaCode"]]}}

    return said


async def test_moto_knows_the_quotas_of_networks(aws: Clients) -> None:
    adapter = ServiceQuotas(aws("service-quotas"), service="vpc")
    assert await adapter.values({"requests_per_min": PEERINGS}) == {"requests_per_min": 50.0}
    await adapter.close()


async def test_a_quota_that_is_not_ours_is_the_default(quotas: ServiceQuotas, stand_in: StandIn) -> None:
    stand_in.plays["GetServiceQuota"] = own({"L-REQUESTS": 200.0})
    stand_in.plays["GetAWSDefaultServiceQuota"] = own({"L-TOKENS": 9_000.0})
    assert await quotas.values(CODES) == {"requests_per_min": 200.0, "tokens_per_min": 9_000.0}
    assert {given["ServiceCode"] for _, given in stand_in.calls} == {"bedrock"}


async def test_a_quota_that_does_not_exist_is_a_store_error(quotas: ServiceQuotas, stand_in: StandIn) -> None:
    stand_in.plays["GetServiceQuota"] = stand_in.plays["GetAWSDefaultServiceQuota"] = own({})
    with pytest.raises(StoreError, match="no such quota"):
        await quotas.values(CODES)


def test_every_error_that_it_lists_is_known() -> None:
    model = botocore.session.get_session().get_service_model("service-quotas")
    for operation in ("GetServiceQuota", "GetAWSDefaultServiceQuota"):
        listed = {shape.name for shape in model.operation_model(operation).error_shapes}
        assert listed and listed <= set(FAULTS)


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


SEEN = Reading(up=True, requests_per_min=50.0, tokens_per_min=9_500.0, detail="seen")


async def test_the_fuller_quota_is_the_load(quotas: ServiceQuotas, stand_in: StandIn) -> None:
    stand_in.plays["GetServiceQuota"] = own({"L-REQUESTS": 200.0, "L-TOKENS": 10_000.0})
    reading = await QuotaProbe(FakeProbe(SEEN), quotas, CODES).probe()
    assert reading == replace(SEEN, load=0.95, detail="seen, 95% of its quota")
    throttled = replace(SEEN, load=1.0)
    assert (await QuotaProbe(FakeProbe(throttled), quotas, CODES).probe()).load == 1.0


async def test_quotas_are_asked_once_an_hour_and_trouble_keeps_the_last(
    quotas: ServiceQuotas, stand_in: StandIn
) -> None:
    clock = Time()
    probe = QuotaProbe(FakeProbe(SEEN), quotas, {"requests_per_min": "L-REQUESTS"}, monotonic=clock)
    stand_in.plays["GetServiceQuota"] = lambda given: ServiceError("ServiceException", 500)
    assert await probe.probe() == SEEN
    assert await probe.probe() == SEEN
    assert len(stand_in.calls) == 1
    clock.now += 61
    stand_in.plays["GetServiceQuota"] = own({"L-REQUESTS": 100.0})
    assert (await probe.probe()).load == 0.5
    clock.now += 3_601
    stand_in.plays["GetServiceQuota"] = lambda given: ServiceError("TooManyRequestsException")
    assert (await probe.probe()).load == 0.5
    assert len(stand_in.calls) == 3


@pytest.mark.parametrize(("load_", "busy"), [(None, False), (0.5, False), (1.0, True)])
async def test_a_full_quota_is_a_busy_target(load_: float | None, busy: bool) -> None:
    agent = ResourceAgent((CLOUD,), Rollout(stable=QUICK), FakeClock())
    agent.learn(CLOUD.name, Reading(up=True, load=load_))
    agent.refresh(Rollout(stable=QUICK), {})
    table, inflight = agent.view()
    context = ContextAgent().read(ask(), QUICK)
    if busy:
        with pytest.raises(NoCapacityError):
            decide(context, table, inflight)
    else:
        assert decide(context, table, inflight).target == CLOUD.name


def test_a_reading_that_knows_nothing_changes_nothing() -> None:
    agent = ResourceAgent((CLOUD,), Rollout(stable=QUICK), FakeClock())
    agent.learn(CLOUD.name, Reading(up=False, known=False, detail="CloudWatch cannot be reached"))
    agent.refresh(Rollout(stable=QUICK), {})
    assert [view.health for view in agent.targets()] == ["unknown"]


def bedrock(**more: Any) -> str:
    return json.dumps(
        [
            {
                "name": "cloud/pro",
                "kind": "bedrock",
                "region": "eu-central-1",
                "model": "amazon.nova-pro-v1:0",
                **more,
            }
        ]
    )


async def test_settings_have_all_cloud_targets_watched(
    aws: Clients, aws_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With throttles as other callers of the model met them."""
    for variable, value in environment(aws_endpoint).items():
        monkeypatch.setenv(variable, value)
    file, model = tmp_path / "tierwise.toml", unique("amazon.nova-pro")
    file.write_text("")
    at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
    values = {
        "Invocations": 30.0,
        "InvocationThrottles": 10.0,
        "InputTokenCount": 900.0,
        "OutputTokenCount": 100.0,
    }
    data: list[Any] = [
        {
            "MetricName": name,
            "Value": value,
            "Timestamp": at,
            "Dimensions": [{"Name": "ModelId", "Value": model}],
        }
        for name, value in values.items()
    ]
    aws("cloudwatch").put_metric_data(Namespace="AWS/Bedrock", MetricData=data)
    variables = {"TIERWISE_TARGETS": bedrock(model=model), "TIERWISE_SIGNALS__CLOUDWATCH": "true"}
    built = build_adapters(plan(load(str(file), variables), variables, sandbox=False))
    reading = await built.probes["cloud/pro"].probe()
    assert (reading.requests_per_min, reading.tokens_per_min, reading.load) == (40.0, 1_000.0, 0.5)
    unwatched = build_adapters(
        plan(load(str(file), {"TIERWISE_TARGETS": bedrock()}), variables, sandbox=False)
    )
    assert unwatched.probes == {}
    quota = {"TIERWISE_TARGETS": bedrock(quotas={"requests_per_min": "L-1"})}
    metered = build_adapters(plan(load(str(file), quota), variables, sandbox=False))
    assert isinstance(metered.probes["cloud/pro"], QuotaProbe)
    for close in (*built.closers, *unwatched.closers, *metered.closers):
        await close()


def test_quotas_that_nobody_knows_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tierwise.toml"
    file.write_text("")
    with pytest.raises(ConfigurationError, match="quotas knows requests_per_min"):
        load(str(file), {"TIERWISE_TARGETS": bedrock(quotas={"per_day": "L-1"})})
