"""The agents on Bedrock AgentCore Runtime: the same gate as the gateway's, hosted by the platform, for whoever IAM lets invoke it.

The container stands in the private subnets with the functions' reach, and its role may do what the `api` function may, and
what AgentCore asks of every runtime's role: fetch its image, write its log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.constructs.edge.permitted import permit
from infra.constructs.functions.grants import Grant, grants
from infra.constructs.vpc import PRIVATE, Vpc
from infra.environments import Environment
from infra.naming import arn
from router_core.deployment import resource_name

SERVICE: Final = "bedrock-agentcore.amazonaws.com"
IDLE_S: Final = 900
LONGEST_S: Final = 3600
"""How long a session may live; it holds nothing that another would miss."""
_IMAGE: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[a-z0-9/_-]+)[:@][\w.:-]+"
)


def agent_runtime(
    scope: Construct,
    *,
    environment: Environment,
    image: str,
    network: Vpc,
    key_arn: str,
    variables: Mapping[str, str],
) -> agentcore.CfnRuntime:
    """The runtime and its role. Raises `ValueError` for an image that is in no registry of ECR."""
    role = _role(scope, environment)
    permit(role, (*grants(environment, key_arn)["api"], *hosting(environment, image)))
    subnets = network.vpc.select_subnets(subnet_group_name=PRIVATE).subnet_ids
    made = agentcore.CfnRuntime
    runtime = made(
        scope,
        "Runtime",
        agent_runtime_name=resource_name(environment.name, "agents").replace("-", "_"),
        agent_runtime_artifact=made.AgentRuntimeArtifactProperty(
            container_configuration=made.ContainerConfigurationProperty(container_uri=image)
        ),
        role_arn=role.role_arn,
        network_configuration=made.NetworkConfigurationProperty(
            network_mode="VPC",
            network_mode_config=made.VpcConfigProperty(
                security_groups=[network.functions.security_group_id], subnets=subnets
            ),
        ),
        protocol_configuration="HTTP",
        lifecycle_configuration=made.LifecycleConfigurationProperty(
            idle_runtime_session_timeout=IDLE_S, max_lifetime=LONGEST_S
        ),
        environment_variables=dict(variables),
    )
    runtime.node.add_dependency(role)  # its rights stand in a policy of their own
    return runtime


def hosting(environment: Environment, image: str) -> tuple[Grant, ...]:
    """What AgentCore needs of the role. Raises `ValueError`."""
    found = _IMAGE.fullmatch(image)
    if found is None:
        raise ValueError("agentcore: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG is wanted")
    repository = f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['name']}"
    group = arn(environment, "logs", "log-group:/aws/bedrock-agentcore/runtimes/*")
    named = "AgentCore names its log groups by the runtime's id, which it gives itself."
    return (
        Grant(actions=("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"), resources=(repository,)),
        Grant(
            actions=("ecr:GetAuthorizationToken",),
            resources=("*",),
            reason="The action has no resource that a policy could name.",
        ),
        Grant(actions=("logs:CreateLogGroup", "logs:DescribeLogStreams"), resources=(group,), reason=named),
        Grant(
            actions=("logs:CreateLogStream", "logs:PutLogEvents"),
            resources=(f"{group}:log-stream:*",),
            reason=named,
        ),
    )


def _role(scope: Construct, environment: Environment) -> iam.Role:
    """For this account's runtimes alone: AgentCore acts for many, and must not be talked into using it for another."""
    return iam.Role(
        scope,
        "Role",
        role_name=resource_name(environment.name, "agents"),
        assumed_by=iam.ServicePrincipal(
            SERVICE,
            conditions={
                "StringEquals": {"aws:SourceAccount": environment.account},
                "ArnLike": {"aws:SourceArn": arn(environment, "bedrock-agentcore", "*")},
            },
        ),
        description="What the agents on AgentCore may do, and no other",
    )
