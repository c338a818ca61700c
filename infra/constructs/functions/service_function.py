"""One Lambda function of the product, with its role, its log and its live alias.

All run the same code; the stage is a variable. The role is the function's own: it may log to its own group, trace,
reach the network, and what its rows in `grants` say. Callers use the alias, so that a new version takes over at once
or, with provisioned concurrency, when it is warm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.functions.grants import Grant
from infra.constructs.retention import log_days
from infra.environments import Environment
from infra.naming import arn
from infra.validation import acknowledge
from router_core.deployment import resource_name

HANDLER = "gateway.hosts.aws_lambda.handler"
RUNTIME = lambda_.Runtime.PYTHON_3_14
ALIAS = "live"
_TRACE = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPlace:
    """What all functions of an environment share: code, network, and where failed asynchronous calls end."""

    code: lambda_.Code
    vpc: ec2.IVpc
    security_group: ec2.ISecurityGroup
    dead_letters: sqs.IQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """What one function has of its own. `provisioned` are kept warm, `reserved` bounds it (None: the account's pool)."""

    name: str
    timeout_s: int
    grants: tuple[Grant, ...]
    variables: Mapping[str, str]
    provisioned: int = 0
    reserved: int | None = None


class ServiceFunction(Construct):
    """`function`, and `alias`, which is what others call."""

    def __init__(
        self, scope: Construct, id: str, environment: Environment, place: FunctionPlace, spec: FunctionSpec
    ) -> None:
        super().__init__(scope, id)
        name = resource_name(environment.name, spec.name)
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/lambda/{name}",
            retention=log_days(environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        own_log = Grant(
            actions=("logs:CreateLogStream", "logs:PutLogEvents"),
            resources=(arn(environment, "logs", f"log-group:/aws/lambda/{name}:log-stream:*"),),
            reason="Lambda names a stream per instance of the function.",
        )
        role = self._role(name, (own_log, *spec.grants))
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=f"Tierwise {environment.name}: {spec.name}",
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            handler=HANDLER,
            code=place.code,
            role=role,
            memory_size=environment.functions.memory_mb,
            timeout=Duration.seconds(spec.timeout_s),
            tracing=lambda_.Tracing.ACTIVE,
            environment=dict(spec.variables),
            log_group=log,
            logging_format=lambda_.LoggingFormat.JSON,
            vpc=place.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[place.security_group],
            dead_letter_queue=place.dead_letters,
            reserved_concurrent_executions=spec.reserved,
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        self.alias = lambda_.Alias(
            self,
            "Live",
            alias_name=ALIAS,
            version=self.function.current_version,
            provisioned_concurrent_executions=spec.provisioned or None,
        )

    def _role(self, name: str, grants: tuple[Grant, ...]) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            role_name=f"{name}-function",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="What this function may do, and no other",
        )
        everywhere = Grant(
            actions=_TRACE + _INTERFACES,
            resources=("*",),
            reason="Tracing and network interfaces of a function have no resource that a policy could name.",
        )
        for grant in (everywhere, *grants):
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=list(grant.actions),
                    resources=list(grant.resources),
                    conditions=dict(grant.conditions),
                )
            )
            for wildcard in grant.wildcards:
                acknowledge(role, f"IAM5[Resource::{wildcard}]", grant.reason or "")
        return role
