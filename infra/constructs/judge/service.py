"""The workers as a service on Fargate: one image with the gateway, another command, and as many tasks as messages are late.

A task that is stopped drains: it takes nothing more, ends what it has within the gateway's drain, and gives the rest back.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.edge.gateway_service import EVENTS, STOP_MARGIN_S, USER
from infra.constructs.edge.images import gateway_image
from infra.constructs.edge.permitted import permit
from infra.constructs.functions.grants import grants
from infra.constructs.judge.permissions import storing, taking
from infra.constructs.judge.queues import JobQueues
from infra.constructs.retention import log_days
from infra.constructs.vpc import PRIVATE, Vpc
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import JOB_QUEUES, JOBS, resource_name

_LOG_IN = "Logging in to the registry has no resource; what may be pulled is named beside it."
_WORKERS = "jobs-workers"


class WorkerService(Construct):
    """`service`, scaled by the age of each queue's oldest message."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, network: Vpc, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        self._environment, self._network, self._key = environment, network, key

    def run(self, variables: Mapping[str, str], queues: JobQueues) -> None:
        """Start it."""
        size = self._environment.upper.jobs
        name = resource_name(self._environment.name, _WORKERS)
        cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=resource_name(self._environment.name, JOBS),
            vpc=self._network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        group = self._network.workers.security_group_id
        service = ecs.FargateService(
            self,
            "Service",
            service_name=name,
            cluster=cluster,
            task_definition=self._task(name, variables),
            desired_count=size.min_workers,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
            security_groups=[ec2.SecurityGroup.from_security_group_id(self, "Group", group, mutable=False)],
            assign_public_ip=False,
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            enable_ecs_managed_tags=True,
        )
        tasks = service.auto_scale_task_count(min_capacity=size.min_workers, max_capacity=size.max_workers)
        for queue_name, queue in queues.by_name.items():
            self._scaled(
                tasks,
                queue_name,
                queue.queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(1)),
            )

    def _scaled(self, tasks: ecs.ScalableTaskCount, name: str, age: cw.IMetric) -> None:
        """More while messages are late, one less at a time once none waits."""
        target_s = self._environment.upper.jobs.target_age_s
        tasks.scale_on_metric(
            f"{name.title()}Age",
            metric=age,
            scaling_steps=[
                scaling.ScalingInterval(upper=target_s / 2, change=-1),
                scaling.ScalingInterval(lower=target_s, change=1),
                scaling.ScalingInterval(lower=4 * target_s, change=4),
            ],
            adjustment_type=scaling.AdjustmentType.CHANGE_IN_CAPACITY,
            cooldown=Duration.minutes(1),
            evaluation_periods=1,
        )

    def _task(self, name: str, variables: Mapping[str, str]) -> ecs.FargateTaskDefinition:
        size = self._environment.upper.jobs
        role = iam.Role(
            self,
            "Role",
            role_name=name,
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description="What a worker may do, and no other",
        )
        path = grants(self._environment, self._key.key_arn)["api"]
        permit(role, (*path, *storing(self._environment), *taking(self._environment)))
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=name,
            cpu=size.cpu,
            memory_limit_mib=size.memory_mib,
            task_role=role,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            volumes=[ecs.Volume(name="tmp"), ecs.Volume(name="events")],
        )
        self._container(task, name, variables)
        if isinstance(task.execution_role, iam.Role):
            acknowledge(task.execution_role, "IAM5[Resource::*]", _LOG_IN)
        acknowledge(task, "ECS2", "The variables say where things are; secrets are named, never held.")
        return task

    def _container(self, task: ecs.FargateTaskDefinition, name: str, variables: Mapping[str, str]) -> None:
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/{name}",
            retention=log_days(self._environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        drain_s = self._environment.upper.gateway.drain_s
        container = task.add_container(
            "worker",
            image=gateway_image(self),
            command=["worker", *JOB_QUEUES],
            environment={
                **variables,
                "TIERWISE_SERVER__DRAIN_S": str(drain_s),
                "TIERWISE_SERVER__REGION": self._environment.region,
                "TIERWISE_EVENTS__DIR": f"{EVENTS}/events",
                "TIERWISE_EVENTS__EMF": "true",
                "TIERWISE_JOBS__WORKERS": str(self._environment.upper.jobs.running),
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix="worker", log_group=log),
            readonly_root_filesystem=True,
            user=USER,
            privileged=False,
            stop_timeout=Duration.seconds(drain_s + STOP_MARGIN_S),
            linux_parameters=ecs.LinuxParameters(self, "Linux", init_process_enabled=True),
        )
        container.add_mount_points(
            ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False),  # noqa: S108  # a volume of the task's own
            ecs.MountPoint(container_path=EVENTS, source_volume="events", read_only=False),
        )
