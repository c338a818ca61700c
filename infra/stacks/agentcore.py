"""The agents on Bedrock AgentCore, in an environment that names their image."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.edge.agent_runtime import agent_runtime
from infra.constructs.functions.settings import function_variables, own_variables
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.cache import CacheStack
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack


class AgentCoreStack(Stack):
    """`image`: as `deploy/agentcore/Dockerfile` makes it, pushed to ECR."""

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        image: str,
        *,
        network: NetworkStack,
        data: DataStack,
        cache: CacheStack,
    ) -> None:
        super().__init__(scope, stack_name(environment, "agentcore"), env=place(environment))
        self.runtime = agent_runtime(
            self,
            environment=environment,
            image=image,
            network=network.network,
            key_arn=data.key.key_arn,
            variables={**function_variables(environment, cache.redis), **own_variables(environment, "api")},
        )
