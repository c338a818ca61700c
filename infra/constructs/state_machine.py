"""The state machines as resources: their role, logs and encryption. What they do is `workflow.py`'s matter.

The standard one serves who asks later, and audit: each step is recorded once and runs once, and a run may last as long
as the slowest tier. The express one serves who waits: it is paid for by time, and its log is its only history. Logs hold
every step without what callers wrote. Both are always there, because an idle one costs nothing; who answers a synchronous
request is a variable of the `api` function.
"""

from __future__ import annotations

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.constructs.functions.service_functions import ServiceFunctions
from infra.constructs.retention import log_days
from infra.constructs.workflow import text
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import MACHINE, SYNC_MACHINE, resource_name
from router_core.stages import NAMES

_KEY_REUSED_S = 300


class InferenceMachines(Construct):
    """`machine` and `waited`, named `tierwise-{env}-inference` and `tierwise-{env}-inference-sync`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        functions: ServiceFunctions,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        self._environment, self._key = environment, key
        aliases = {stage: functions.by_name[stage].alias.function_arn for stage in NAMES}
        self._role = self._permitted(list(aliases.values()))
        self.machine = self._made("", MACHINE, sfn.StateMachineType.STANDARD, text(aliases))
        self.waited = self._made(
            "Waited", SYNC_MACHINE, sfn.StateMachineType.EXPRESS, text(aliases, waited=True)
        )

    def _permitted(self, functions: list[str]) -> iam.Role:
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=functions))
        role.add_to_policy(
            iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[self._key.key_arn])
        )
        acknowledge(
            role, "IAM5[Resource::*]", "Delivery of logs and traces has no resource that a policy could name."
        )
        return role

    def _made(self, id: str, what: str, kind: sfn.StateMachineType, asl: str) -> sfn.StateMachine:
        name = resource_name(self._environment.name, what)
        log = logs.LogGroup(
            self,
            f"{id}Log",
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=log_days(self._environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        machine = sfn.StateMachine(
            self,
            f"{id}Machine",
            state_machine_name=name,
            state_machine_type=kind,
            definition_body=sfn.DefinitionBody.from_string(asl),
            role=self._role,
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        # Not by the construct's own argument: that would let the log service use the key on anybody's behalf, and the
        # key's policy names that service already, for this account.
        cast(
            sfn.CfnStateMachine, machine.node.default_child
        ).encryption_configuration = sfn.CfnStateMachine.EncryptionConfigurationProperty(
            type="CUSTOMER_MANAGED_KMS_KEY",
            kms_key_id=self._key.key_arn,
            kms_data_key_reuse_period_seconds=_KEY_REUSED_S,
        )
        return machine
