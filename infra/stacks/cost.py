"""What is spent, and who hears of it."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.spending import anomalies, budget
from infra.environments import Environment
from infra.naming import place, stack_name


class CostStack(Stack):
    def __init__(self, scope: Construct, environment: Environment, *, topic: sns.ITopic) -> None:
        super().__init__(scope, stack_name(environment, "cost"), env=place(environment))
        budget(self, "Budget", environment=environment, topic=topic)
        anomalies(self, "Anomalies", environment=environment, topic=topic)
