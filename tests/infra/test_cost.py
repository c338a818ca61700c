"""Money: somebody hears of it early, and every bill can be divided."""

from __future__ import annotations

import json

import pytest

from infra.environments import ENVIRONMENTS
from tests.infra.templates import Synthesis


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_budget_speaks_at_half_four_fifths_all_and_when_it_will_not_last(
    synthesis: Synthesis, environment: str
) -> None:
    budget = synthesis.stack(environment, "cost").one("Budgets::Budget")
    limit = budget["Budget"]["BudgetLimit"]
    assert limit == {"Amount": ENVIRONMENTS[environment].upper.spending.monthly_usd, "Unit": "USD"}
    told = {
        (entry["Notification"]["NotificationType"], entry["Notification"]["Threshold"])
        for entry in budget["NotificationsWithSubscribers"]
    }
    assert told == {("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}
    for entry in budget["NotificationsWithSubscribers"]:
        (subscriber,) = entry["Subscribers"]
        assert subscriber["SubscriptionType"] == "SNS"
        assert "observability" in json.dumps(subscriber["Address"])


def test_an_unusual_rise_is_told_at_once(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "cost")
    watched = json.loads(stack.one("CE::AnomalyMonitor")["MonitorSpecification"])
    assert watched["Tags"]["Values"] == ["prod"]
    subscription = stack.one("CE::AnomalySubscription")
    assert subscription["Frequency"] == "IMMEDIATE"
    (value,) = json.loads(subscription["ThresholdExpression"])["Dimensions"]["Values"]
    assert float(value) == ENVIRONMENTS["prod"].upper.spending.anomaly_usd


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_can_carry_a_tag_names_its_environment(synthesis: Synthesis, environment: str) -> None:
    kinds = (
        "S3::Bucket", "KMS::Key", "SNS::Topic", "SQS::Queue", "Kinesis::Stream", "Lambda::Function", "ECS::Cluster"
    )  # fmt: skip
    seen = 0
    for what, stack in synthesis.stacks(environment).items():
        for kind in kinds:
            for name, properties in stack.of(kind).items():
                tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
                assert tags.get("environment") == environment, f"{what} {name}"
                assert tags.get("cost-center") == f"tierwise-{environment}", f"{what} {name}"
                seen += 1
    assert seen > 15
