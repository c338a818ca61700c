"""Where everything that a person must know ends up: one encrypted topic per environment, and who may publish to it.

Services that publish need the key as well as the topic; each is named, and only for this account.
"""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.environments import Environment
from infra.naming import arn
from router_core.deployment import resource_name

PUBLISHERS = ("cloudwatch", "budgets", "costalerts")
UNCONDITIONED = "events"
"""EventBridge publishes without saying for which account, so a condition on the account would shut it out."""


class AlertTopic(Construct):
    """The topic `tierwise-ENV-alarms` with its key. `email`, when given, must confirm once."""

    def __init__(self, scope: Construct, id: str, *, env: str, email: str | None) -> None:
        super().__init__(scope, id)
        self.key = kms.Key(
            self,
            "Key",
            description=f"Alerts of {env}: what is said in them may name tenants' loads and costs",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            pending_window=cdk.Duration.days(7),
        )
        self.topic = sns.Topic(
            self,
            "Topic",
            topic_name=resource_name(env, "alarms"),
            display_name=f"Tierwise {env}",
            master_key=self.key,
            enforce_ssl=True,
        )
        own = {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}}
        for service in PUBLISHERS:
            self._admit(service, own)
        self._admit(UNCONDITIONED, None)
        if email is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))

    def _admit(self, service: str, own: Mapping[str, object] | None) -> None:
        publisher = iam.ServicePrincipal(f"{service}.amazonaws.com")
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[publisher],
                resources=[self.topic.topic_arn],
                conditions=own,
            )
        )
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                principals=[publisher],
                # In a key's own policy the resource is the key itself.
                resources=["*"],
                conditions=own,
            )
        )


def alert_topic(scope: Construct, id: str, environment: Environment) -> sns.ITopic:
    """The topic by its address, for stacks that come later."""
    name = resource_name(environment.name, "alarms")
    return sns.Topic.from_topic_arn(scope, id, arn(environment, "sns", name))
