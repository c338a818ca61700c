"""Money: a monthly budget that says so at half, four fifths and all of it, and a watch for unusual rises.

The budget counts the whole account, tagged or not: a budget over tags that nobody activated would stay at zero and
never speak. The watch for rises goes by the tag `environment`, since an account may have only one watch over all of
its services.
"""

from __future__ import annotations

import json
from typing import Final

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_ce as ce
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.environments import Environment
from router_core.deployment import resource_name

TOLD_AT_PERCENT: Final = (50, 80, 100)


def budget(scope: Construct, id: str, *, environment: Environment, topic: sns.ITopic) -> budgets.CfnBudget:
    """`tierwise-ENV-monthly`: told at each share of what was spent, and once when the forecast passes all of it."""
    parts = budgets.CfnBudget
    told = [("ACTUAL", percent) for percent in TOLD_AT_PERCENT] + [("FORECASTED", 100)]
    return budgets.CfnBudget(
        scope,
        id,
        budget=parts.BudgetDataProperty(
            budget_name=resource_name(environment.name, "monthly"),
            budget_type="COST",
            time_unit="MONTHLY",
            budget_limit=parts.SpendProperty(amount=environment.upper.spending.monthly_usd, unit="USD"),
        ),
        notifications_with_subscribers=[
            parts.NotificationWithSubscribersProperty(
                notification=parts.NotificationProperty(
                    notification_type=kind,
                    comparison_operator="GREATER_THAN",
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                ),
                subscribers=[parts.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)],
            )
            for kind, percent in told
        ],
    )


def anomalies(scope: Construct, id: str, *, environment: Environment, topic: sns.ITopic) -> None:
    """Told at once when a day costs `anomaly_usd` more than the weeks before let expect."""
    monitor = ce.CfnAnomalyMonitor(
        scope,
        f"{id}Monitor",
        monitor_name=resource_name(environment.name, "costs"),
        monitor_type="CUSTOM",
        monitor_specification=json.dumps({
            "Tags": {"Key": "environment", "Values": [environment.name], "MatchOptions": ["EQUALS"]}
        }),
    )  # fmt: skip
    ce.CfnAnomalySubscription(
        scope,
        f"{id}Subscription",
        subscription_name=resource_name(environment.name, "costs"),
        frequency="IMMEDIATE",
        monitor_arn_list=[monitor.attr_monitor_arn],
        subscribers=[ce.CfnAnomalySubscription.SubscriberProperty(type="SNS", address=topic.topic_arn)],
        threshold_expression=json.dumps({
            "Dimensions": {
                "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                "Values": [str(environment.upper.spending.anomaly_usd)],
            }
        }),
    )  # fmt: skip


def cost_tags(environment: Environment) -> dict[str, str]:
    """Tags that bills are divided by; `Tags.of(app)` puts them on everything that can carry one."""
    return {
        "application": "tierwise",
        "environment": environment.name,
        "cost-center": f"tierwise-{environment.name}",
    }
