"""The door: API Gateway with its keys, limits and checks, behind a firewall."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.constructs.api.firewall import Firewall
from infra.constructs.api.rest_api import InferenceApi
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.agents import AgentsStack


class ApiStack(Stack):
    def __init__(self, scope: Construct, environment: Environment, *, agents: AgentsStack) -> None:
        super().__init__(scope, stack_name(environment, "api"), env=place(environment))
        functions = agents.functions.by_name
        self.inference = InferenceApi(
            self,
            "Inference",
            environment,
            answering=functions["api"].alias,
            authorizing=functions["authorizer"].alias,
        )
        self.firewall = Firewall(self, "Firewall", environment)
        self.firewall.attach("Attached", self.inference.api.deployment_stage.stage_arn)
        CfnOutput(self, "Url", value=self.inference.api.url, description="Where clients send requests")
