"""The path of a request as state machines: one for asynchronous requests and whoever wants to see each step, one for
requests that somebody waits for."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.state_machine import InferenceMachines
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.agents import AgentsStack
from infra.stacks.data import DataStack


class WorkflowStack(Stack):
    def __init__(
        self, scope: Construct, environment: Environment, *, agents: AgentsStack, data: DataStack
    ) -> None:
        super().__init__(scope, stack_name(environment, "workflow"), env=place(environment))
        self.machines = InferenceMachines(self, "Inference", environment, agents.functions, data.key)
