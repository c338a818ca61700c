"""The state machine as a resource: its role, its log and its encryption. What it does is `workflow.py`'s matter.

A standard machine: each step is recorded once and runs once, and a run may last as long as the slowest tier. The log
holds every step without what callers wrote.
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
from infra.constructs.functions.settings import MACHINE
from infra.constructs.retention import log_days
from infra.constructs.workflow import text
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import resource_name
from router_core.stages import NAMES

_KEY_REUSED_S = 300


class InferenceMachine(Construct):
    """`machine`, named `tierwise-{env}-inference`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        functions: ServiceFunctions,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        name = resource_name(environment.name, MACHINE)
        aliases = {stage: functions.by_name[stage].alias.function_arn for stage in NAMES}
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=list(aliases.values()))
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[key.key_arn])
        )
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=log_days(environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=name,
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(text(aliases)),
            role=role,
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        # Not by the construct's own argument: that would let the log service use the key on anybody's behalf, and the
        # key's policy names that service already, for this account.
        cast(
            sfn.CfnStateMachine, self.machine.node.default_child
        ).encryption_configuration = sfn.CfnStateMachine.EncryptionConfigurationProperty(
            type="CUSTOMER_MANAGED_KMS_KEY",
            kms_key_id=key.key_arn,
            kms_data_key_reuse_period_seconds=_KEY_REUSED_S,
        )
        acknowledge(
            role, "IAM5[Resource::*]", "Delivery of logs and traces has no resource that a policy could name."
        )
