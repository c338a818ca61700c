"""What runs per request: the functions, and the parameters they read."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.functions.parameters import Parameters
from infra.constructs.functions.service_functions import ServiceFunctions
from infra.constructs.functions.settings import function_variables, initial_settings
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.cache import CacheStack
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack


class AgentsStack(Stack):
    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        *,
        network: NetworkStack,
        data: DataStack,
        cache: CacheStack,
    ) -> None:
        super().__init__(scope, stack_name(environment, "agents"), env=place(environment))
        self.parameters = Parameters(self, "Parameters", environment, initial_settings(environment))
        self.functions = ServiceFunctions(
            self,
            "Functions",
            environment,
            network.network,
            data.key,
            function_variables(environment, cache.redis),
        )
