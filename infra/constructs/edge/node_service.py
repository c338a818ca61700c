"""A model on nodes of ours: one ECS service each, whose desired count is how a model is deployed, scaled and retired.

The task fetches its model from the models bucket and proves every file's checksum before it serves (`deploy/vllm`).
Gateways reach it by name; nobody else may, and the key that it asks for is known to gateways only.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from infra.constructs.edge.images import node_image
from infra.constructs.edge.node_machines import MODELS, OWNER, NodeMachines
from infra.constructs.edge.node_targets import namespace, node_key_name
from infra.constructs.edge.permitted import permit
from infra.constructs.functions.grants import Grant
from infra.constructs.retention import log_days, removal
from infra.constructs.vpc import MODEL_PORT, Vpc
from infra.environments import Environment
from infra.naming import bucket_name
from infra.sizing import ModelService
from infra.validation import acknowledge
from router_core.deployment import MODELS_BUCKET, resource_name

STOP_S: Final = 120
SHARED_MIB: Final = 2048
_ALIVE: Final = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{MODEL_PORT}/health', timeout=5)"
_FOLDER: Final = "Files of a model have names that its manifest gives."
_LOG_IN: Final = "Logging in to the registry has no resource; what may be pulled is named beside it."


class NodeServices(Construct):
    """All models of an environment, and the key between gateways and nodes."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        cluster: ecs.Cluster,
        network: Vpc,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        self._environment, self._cluster, self._network = environment, cluster, network
        self._key = key
        self._secret = secretsmanager.Secret(
            self,
            "Key",
            secret_name=node_key_name(environment),
            description="What gateways show to model nodes",
            encryption_key=key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=48, exclude_punctuation=True
            ),
            removal_policy=removal(environment),
        )
        acknowledge(self._secret, "SMG4", "A node reads it when it starts: it is renewed by replacing both.")
        self._names = discovery.PrivateDnsNamespace(
            self, "Names", name=namespace(environment), vpc=network.vpc
        )
        self._image = node_image(self)
        self._log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/{resource_name(environment.name, 'nodes')}",
            retention=log_days(environment),
            removal_policy=RemovalPolicy.DESTROY,
        )

    def serve(self, model: ModelService, machines: NodeMachines) -> ecs.Ec2Service:
        """A service for one model; `nodes` of it start with the environment."""
        return ecs.Ec2Service(
            self,
            f"Service-{model.name}",
            service_name=resource_name(self._environment.name, model.name),
            cluster=self._cluster,
            task_definition=self._task(model),
            desired_count=model.nodes,
            security_groups=[self._network.nodes],
            vpc_subnets=machines.subnets,
            capacity_provider_strategies=[
                ecs.CapacityProviderStrategy(
                    capacity_provider=machines.provider.capacity_provider_name, weight=1
                )
            ],
            # GPUs are scarce: the old task leaves before the new one comes.
            min_healthy_percent=0,
            max_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            cloud_map_options=ecs.CloudMapOptions(
                cloud_map_namespace=self._names,
                name=model.name,
                dns_record_type=discovery.DnsRecordType.A,
                dns_ttl=Duration.seconds(10),
            ),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            enable_ecs_managed_tags=True,
        )

    def _task(self, model: ModelService) -> ecs.Ec2TaskDefinition:
        role = iam.Role(
            self, f"Role-{model.name}", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        )
        permit(role, _reading(self._environment, model, self._key.key_arn))
        task = ecs.Ec2TaskDefinition(
            self,
            f"Task-{model.name}",
            family=resource_name(self._environment.name, model.name),
            network_mode=ecs.NetworkMode.AWS_VPC,
            task_role=role,
            volumes=[
                ecs.Volume(name="models", host=ecs.Host(source_path=MODELS)),
                ecs.Volume(name="tmp"),
            ],
        )
        container = task.add_container(
            "vllm",
            image=self._image,
            gpu_count=1,
            memory_limit_mib=self._environment.upper.gpu.memory_mib,
            port_mappings=[ecs.PortMapping(container_port=MODEL_PORT)],
            environment=self._variables(model),
            secrets={"VLLM_API_KEY": ecs.Secret.from_secrets_manager(self._secret)},
            logging=ecs.LogDrivers.aws_logs(stream_prefix=model.name, log_group=self._log),
            readonly_root_filesystem=True,
            privileged=False,
            user=f"{OWNER}:{OWNER}",
            stop_timeout=Duration.seconds(STOP_S),
            linux_parameters=ecs.LinuxParameters(self, f"Linux-{model.name}", shared_memory_size=SHARED_MIB),
            health_check=ecs.HealthCheck(
                command=["CMD", "python3", "-c", _ALIVE],
                interval=Duration.seconds(60),
                timeout=Duration.seconds(10),
                retries=10,
                start_period=Duration.seconds(300),
            ),
        )
        container.add_mount_points(
            ecs.MountPoint(container_path="/models", source_volume="models", read_only=False),
            ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False),  # noqa: S108  # a volume of the task's own
        )
        task.add_to_execution_role_policy(
            iam.PolicyStatement(actions=["kms:Decrypt"], resources=[self._key.key_arn])
        )
        if isinstance(task.execution_role, iam.Role):
            acknowledge(task.execution_role, "IAM5[Resource::*]", _LOG_IN)
        acknowledge(task, "ECS2", "The variables say which model; the key comes from Secrets Manager.")
        return task

    def _variables(self, model: ModelService) -> dict[str, str]:
        return {
            "NODE_BUCKET": bucket_name(self._environment, MODELS_BUCKET),
            "NODE_PREFIX": model.prefix,
            "NODE_MODEL": model.model,
            "NODE_FOLDER": "/models",
            "NODE_PORT": str(MODEL_PORT),
            "NODE_CONTEXT_TOKENS": str(model.context_tokens),
            "NODE_LORA_ADAPTERS": str(model.lora_adapters),
            "NODE_STOP_S": str(STOP_S - 20),
        }


def _reading(environment: Environment, model: ModelService, key_arn: str) -> tuple[Grant, ...]:
    bucket = f"arn:aws:s3:::{bucket_name(environment, MODELS_BUCKET)}"
    return (
        Grant(actions=("s3:GetObject",), resources=(f"{bucket}/{model.prefix}*",), reason=_FOLDER),
        Grant(
            actions=("s3:ListBucket",),
            resources=(bucket,),
            conditions={"StringLike": {"s3:prefix": f"{model.prefix}*"}},
        ),
        Grant(actions=("kms:Decrypt",), resources=(key_arn,)),
    )
