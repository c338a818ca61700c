"""The alert bus: what the running code wants somebody to know, apart from metrics, and where it goes.

The code says what happened (`source` tierwise, a detail type, a JSON detail); rules decide who hears of it. A message
that cannot be delivered waits in a dead-letter queue.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.event_stream import dead_letters
from router_core.deployment import EVENT_BUS, EVENT_SOURCE, resource_name


class AlertBus(Construct):
    """`bus`: every alert of ours goes to the topic as two readable lines, and to the function that `listened` adds."""

    def __init__(self, scope: Construct, id: str, *, env: str, topic: sns.ITopic, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self._env = env
        self.bus = events.EventBus(self, "Bus", event_bus_name=resource_name(env, EVENT_BUS))
        self.lost = dead_letters(self, "Lost", resource_name(env, "alerts-dlq"), key)
        text = "\n".join(
            (
                f"Tierwise {env}: {events.EventField.from_path('$.detail-type')}",
                f"{events.EventField.from_path('$.detail')}",
            )
        )
        events.Rule(
            self,
            "ToPeople",
            rule_name=resource_name(env, "alerts-to-people"),
            event_bus=self.bus,
            event_pattern=events.EventPattern(source=[EVENT_SOURCE]),
            targets=[
                targets.SnsTopic(
                    topic,
                    message=events.RuleTargetInput.from_multiline_text(text),
                    dead_letter_queue=self.lost,
                    retry_attempts=5,
                    max_event_age=Duration.hours(2),
                )
            ],
        )

    def listened(self, listener: lambda_.IFunction) -> None:
        """Every alert also goes to this function. The permission stands here and not beside the function, whose stack comes
        before this one."""
        rule = events.CfnRule(
            self,
            "ToListener",
            name=resource_name(self._env, "alerts-to-listener"),
            event_bus_name=self.bus.event_bus_name,
            event_pattern={"source": [EVENT_SOURCE]},
            targets=[
                events.CfnRule.TargetProperty(
                    id="Listener",
                    arn=listener.function_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.lost.queue_arn),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=3600, maximum_retry_attempts=5
                    ),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            "MayCallListener",
            action="lambda:InvokeFunction",
            function_name=listener.function_arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
        self.lost.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                resources=[self.lost.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
            )
        )
