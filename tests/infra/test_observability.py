"""What is seen and who is told: every figure we write is on the dashboard, and every alarm reaches a person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.constructs.alarms import RELEASE, judged
from infra.constructs.measured import each, ours, share, total
from infra.constructs.watched import watched
from infra.environments import ENVIRONMENTS
from router_core.deployment import METRICS, NAMESPACE, TABLES
from tests.infra.templates import Synthesis


def drawn(synthesis: Synthesis, environment: str) -> str:
    """The dashboard's body as one text, whatever CloudFormation joins it from."""
    body = synthesis.stack(environment, "observability").one("CloudWatch::Dashboard")["DashboardBody"]
    parts = body["Fn::Join"][1] if isinstance(body, dict) else [body]
    return "".join(part if isinstance(part, str) else "TOKEN" for part in parts)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_dashboard_shows_every_metric_that_the_code_writes(
    synthesis: Synthesis, environment: str
) -> None:
    body = drawn(synthesis, environment)
    assert {name for name in METRICS if name not in body} == set()


def test_the_dashboard_covers_what_operators_ask_about(synthesis: Synthesis) -> None:
    body = json.loads(drawn(synthesis, "prod"))
    text = json.dumps(body)
    services = (
        "Bedrock", "Lambda", "DynamoDB", "Kinesis", "WAFV2", "SQS", "ECS", "ApiGateway"
    )  # fmt: skip
    assert {name for name in services if f"AWS/{name}" not in text} == set()
    for tier in ("device", "mec", "cloud"):
        assert f'"Tier", "{tier}"' in text
    for table in TABLES:
        assert f"tierwise-prod-{table}" in text
    assert "{Tierwise,Env,Agent}" in text
    assert all(statistic in text for statistic in ('"p50"', '"p90"', '"p99"'))
    assert all(widget["width"] <= 24 for widget in body["widgets"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_alarm_tells_somebody_and_says_what_to_do(synthesis: Synthesis, environment: str) -> None:
    stack = synthesis.stack(environment, "observability")
    (topic,) = stack.of("SNS::Topic")
    alarms = {**stack.of("CloudWatch::Alarm"), **stack.of("CloudWatch::CompositeAlarm")}
    assert len(alarms) >= 14
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"] == [{"Ref": topic}], name
        assert len(alarm["AlarmDescription"]) > 20, name


def test_a_release_is_stopped_by_alarms_that_exist(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "observability")
    names = {alarm["AlarmName"] for alarm in stack.of("CloudWatch::Alarm").values()}
    assert {f"tierwise-prod-{name}" for name in RELEASE} <= names
    release = stack.one("CloudWatch::CompositeAlarm")
    assert release["AlarmName"] == "tierwise-prod-release"
    assert len(json.dumps(release["AlarmRule"]).split(" OR ")) == len(RELEASE)


def test_limits_are_those_of_the_environment(synthesis: Synthesis) -> None:
    for name, environment in ENVIRONMENTS.items():
        found = {
            alarm["AlarmName"].removeprefix(f"tierwise-{name}-"): alarm
            for alarm in synthesis.stack(name, "observability").of("CloudWatch::Alarm").values()
        }
        limits = environment.upper.alarms
        assert found["error-share"]["Threshold"] == limits.error_share
        assert found["latency-p99"]["Threshold"] == limits.latency_p99_ms
        assert found["fallback-share"]["Threshold"] == limits.fallback_share
        assert found["cost-per-hour"]["Threshold"] == limits.cost_usd_per_hour
        assert found["confidence"]["ComparisonOperator"] == "LessThanThreshold"


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    return list(alarm.get("Metrics", []))


def test_no_alarm_reads_more_metrics_than_cloudwatch_allows(synthesis: Synthesis) -> None:
    for alarm in synthesis.stack("prod", "observability").of("CloudWatch::Alarm").values():
        assert sum("MetricStat" in query for query in metrics_of(alarm)) <= 10
        assert not any("SEARCH" in query.get("Expression", "") for query in metrics_of(alarm))


def test_only_named_services_of_this_account_may_publish(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "observability")
    topic = stack.one("SNS::Topic")
    assert "KmsMasterKeyId" in topic
    assert stack.one("KMS::Key")["EnableKeyRotation"] is True
    allowed = [
        statement
        for statement in stack.one("SNS::TopicPolicy")["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert allowed
    for statement in allowed:
        assert statement["Action"] == "sns:Publish"
        assert set(statement["Principal"]) == {"Service"}
        if statement["Principal"]["Service"] != "events.amazonaws.com":
            assert statement["Condition"]["StringEquals"]["aws:SourceAccount"]


def test_a_metric_that_nothing_writes_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing writes"):
        ours("dev", "Requestz")
    with pytest.raises(ValueError, match="nothing writes"):
        ours("dev", "Requests", Agent="router", Tier="mec")
    with pytest.raises(ValueError, match="nothing writes"):
        each("dev", "Requests", "Sum", ("Env", "Agent", "Target"))
    with pytest.raises(ValueError, match="one to ten"):
        total({f"m{index}": ours("dev", "Requests") for index in range(11)}, "all")


def test_a_share_of_few_requests_is_nothing() -> None:
    part = share(ours("dev", "Errors"), ours("dev", "Requests"), "failed, all", at_least=20)
    assert part.expression == "IF(whole_failed__all >= 20, part_failed__all / whole_failed__all)"


def test_the_names_of_alarms_are_their_own() -> None:
    environment = ENVIRONMENTS["dev"]
    names = [item.name for item in judged(watched("dev", "eu-central-1"), environment.upper.alarms)]
    assert len(set(names)) == len(names)
    assert set(RELEASE) <= set(names)


def test_traces_are_sampled_and_grouped(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "observability")
    rule = stack.one("XRay::SamplingRule")["SamplingRule"]
    assert 0 < rule["FixedRate"] < 1
    assert {group["GroupName"] for group in stack.of("XRay::Group").values()} == {
        "tierwise-prod-slow",
        "tierwise-prod-failed",
    }
    assert NAMESPACE == "Tierwise"
