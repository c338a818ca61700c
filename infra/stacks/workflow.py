"""The path of a request as a state machine: for asynchronous requests, and for whoever wants to see each step."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.state_machine import InferenceMachine
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.agents import AgentsStack
from infra.stacks.data import DataStack


class WorkflowStack(Stack):
    def __init__(
        self, scope: Construct, environment: Environment, *, agents: AgentsStack, data: DataStack
    ) -> None:
        super().__init__(scope, stack_name(environment, "workflow"), env=place(environment))
        self.machine = InferenceMachine(self, "Inference", environment, agents.functions, data.key)
