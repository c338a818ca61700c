"""What is shared between hosts and may be lost: the cache."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.redis import Redis
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack


class CacheStack(Stack):
    def __init__(
        self, scope: Construct, environment: Environment, *, network: NetworkStack, data: DataStack
    ) -> None:
        super().__init__(scope, stack_name(environment, "cache"), env=place(environment))
        self.redis = Redis(self, "Redis", environment, network.network, data.key)
