"""The gateway as a service on Fargate: what a task is, how many there are, and how a release replaces them.

A task may be stopped at any time: it gets longer than the gateway's own drain. It writes to two empty volumes and
nowhere else, is nobody in particular, and holds no key: settings name secrets, and the gateway fetches them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.edge.door import IDLE_S, PORT, Door
from infra.constructs.edge.images import gateway_image
from infra.constructs.edge.permitted import permit
from infra.constructs.functions.grants import Grant
from infra.constructs.retention import log_days
from infra.constructs.vpc import PRIVATE, Vpc
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import resource_name

USER: Final = "10001:10001"
CONTAINER: Final = "gateway"
EVENTS: Final = "/var/lib/tierwise"
STOP_MARGIN_S: Final = 10
"""Beyond the drain: cancelled requests end, records are flushed."""
_ALIVE: Final = (
    f"import urllib.request as u; u.urlopen('http://127.0.0.1:{PORT}/health/liveness', timeout=3).read()"
)
_LOG_IN: Final = "Logging in to the registry has no resource; what may be pulled is named beside it."


class GatewayService(Construct):
    """`service` in `cluster`, behind `door`."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, cluster: ecs.ICluster, network: Vpc
    ) -> None:
        super().__init__(scope, id)
        self._environment, self._cluster, self._network = environment, cluster, network

    def run(
        self, door: Door, *, variables: Mapping[str, str], grants: Sequence[Grant], alarms: Sequence[str]
    ) -> ecs.FargateService:
        """The service; a release goes back when one of `alarms` or the door's own goes off."""
        size = self._environment.upper.gateway
        service = ecs.FargateService(
            self,
            "Service",
            service_name=resource_name(self._environment.name, "gateway"),
            cluster=self._cluster,
            task_definition=self._task(variables, grants),
            desired_count=size.min_tasks,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
            security_groups=[self._group()],
            assign_public_ip=False,
            min_healthy_percent=100,
            max_healthy_percent=200,
            health_check_grace_period=Duration.seconds(60),
            deployment_strategy=ecs.DeploymentStrategy.BLUE_GREEN,
            bake_time=Duration.minutes(size.bake_min),
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=[*alarms, door.failing.alarm_name], behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            ),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            enable_ecs_managed_tags=True,
        )
        service.load_balancer_target(
            container_name=CONTAINER,
            container_port=PORT,
            alternate_target=ecs.AlternateTarget(
                "Green",
                alternate_target_group=door.green,
                production_listener=ecs.ListenerRuleConfiguration.application_listener_rule(door.rule),
                role=self._mover(),
            ),
        ).attach_to_application_target_group(door.blue)
        return service

    def _mover(self) -> iam.Role:
        """What ECS itself may do: point the door's rule at the other group of tasks."""
        managed = "AmazonECSInfrastructureRolePolicyForLoadBalancers"
        role = iam.Role(
            self,
            "Mover",
            assumed_by=iam.ServicePrincipal("ecs.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(managed)],
        )
        acknowledge(
            role,
            f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{managed}]",
            "AWS keeps this policy in step with what ECS does during a release.",
        )
        return role

    def _group(self) -> ec2.ISecurityGroup:
        """The gateways' own group, by its address: the door has said already that it may knock."""
        group = self._network.gateways.security_group_id
        return ec2.SecurityGroup.from_security_group_id(self, "Group", group, mutable=False)

    def _task(self, variables: Mapping[str, str], grants: Sequence[Grant]) -> ecs.FargateTaskDefinition:
        size = self._environment.upper.gateway
        role = iam.Role(
            self,
            "Role",
            role_name=resource_name(self._environment.name, "gateway"),
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description="What the gateway may do, and no other",
        )
        permit(role, grants)
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=resource_name(self._environment.name, "gateway"),
            cpu=size.cpu,
            memory_limit_mib=size.memory_mib,
            task_role=role,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            volumes=[ecs.Volume(name="tmp"), ecs.Volume(name="events")],
        )
        self._container(task, variables)
        if isinstance(task.execution_role, iam.Role):
            acknowledge(task.execution_role, "IAM5[Resource::*]", _LOG_IN)
        acknowledge(task, "ECS2", "The variables say where things are; secrets are named, never held.")
        return task

    def _container(self, task: ecs.FargateTaskDefinition, variables: Mapping[str, str]) -> None:
        size = self._environment.upper.gateway
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/{resource_name(self._environment.name, 'gateway')}",
            retention=log_days(self._environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        container = task.add_container(
            CONTAINER,
            image=gateway_image(self),
            port_mappings=[ecs.PortMapping(container_port=PORT)],
            environment={**variables, **server_variables(self._environment)},
            logging=ecs.LogDrivers.aws_logs(stream_prefix="gateway", log_group=log),
            readonly_root_filesystem=True,
            user=USER,
            privileged=False,
            stop_timeout=Duration.seconds(size.drain_s + STOP_MARGIN_S),
            linux_parameters=ecs.LinuxParameters(self, "Linux", init_process_enabled=True),
            health_check=ecs.HealthCheck(
                command=["CMD", "python", "-c", _ALIVE],
                interval=Duration.seconds(15),
                timeout=Duration.seconds(5),
                retries=3,
                start_period=Duration.seconds(30),
            ),
        )
        container.add_mount_points(
            ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False),  # noqa: S108  # a volume of the task's own
            ecs.MountPoint(container_path=EVENTS, source_volume="events", read_only=False),
        )


def server_variables(environment: Environment) -> dict[str, str]:
    """How the gateway serves behind the door; the rest of its settings is what the functions have, too."""
    size = environment.upper.gateway
    return {
        "TIERWISE_SERVER__HOST": "0.0.0.0",  # noqa: S104  # inside the task's own network interface
        "TIERWISE_SERVER__PORT": str(PORT),
        "TIERWISE_SERVER__REGION": environment.region,
        "TIERWISE_SERVER__WORKERS": str(max(1, size.cpu // 1024)),
        "TIERWISE_SERVER__DRAIN_S": str(size.drain_s),
        "TIERWISE_SERVER__KEEP_ALIVE_S": str(IDLE_S + 15),
        "TIERWISE_EVENTS__DIR": f"{EVENTS}/events",
        "TIERWISE_EVENTS__EMF": "true",  # to the log, which CloudWatch reads metrics from
        "TIERWISE_TRACING__SERVICE": resource_name(environment.name, "gateway"),
    }
