"""Where things run: the VPC, its subnets, its doors to AWS, and who may call whom."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.vpc import Vpc
from infra.environments import Environment
from infra.naming import place, stack_name


class NetworkStack(Stack):
    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, stack_name(environment, "network"), env=place(environment))
        self.network = Vpc(self, "Network", environment)
        self.vpc = self.network.vpc
