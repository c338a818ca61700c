"""Machines with GPUs, as many as the models' tasks need: none while no model is wanted, `max_nodes` at most.

ECS asks for a machine when a task finds no GPU and gives it back when it has been empty; a machine with a task on it
is not taken away.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.edge.node_subnets import NodeSubnets, node_subnets
from infra.constructs.vpc import Vpc
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import resource_name

MODELS: Final = "/var/lib/models"
"""On the machine's disk, so that a task that starts again finds what an earlier one fetched."""
OWNER: Final = "10001"
_MANAGED: Final = "AmazonSSMManagedInstanceCore"
_ROOT: Final = "/dev/xvda"


class NodeMachines(Construct):
    """`provider`, the capacity that services of models ask for, and the `subnets` it stands in."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        cluster: ecs.Cluster,
        network: Vpc,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, id)
        self._environment = environment
        size = environment.upper.gpu
        where = node_subnets(self, "Zone", environment=environment, vpc=network.vpc)
        self.subnets = where.selection
        group = autoscaling.AutoScalingGroup(
            self,
            "Group",
            auto_scaling_group_name=resource_name(environment.name, "nodes"),
            vpc=network.vpc,
            vpc_subnets=where.selection,
            launch_template=self._template(network, where),
            min_capacity=0,
            max_capacity=size.max_nodes,
            new_instances_protected_from_scale_in=True,
            notifications=[autoscaling.NotificationConfiguration(topic=topic)],
        )
        self.provider = ecs.AsgCapacityProvider(
            self,
            "Provider",
            capacity_provider_name=resource_name(environment.name, "nodes"),
            auto_scaling_group=group,
            enable_managed_scaling=True,
            enable_managed_termination_protection=True,
            enable_managed_draining=True,
            target_capacity_percent=100,
        )
        cluster.add_asg_capacity_provider(self.provider)

    def _template(self, network: Vpc, where: NodeSubnets) -> ec2.LaunchTemplate:
        size = self._environment.upper.gpu
        near = size.placement.kind != "region"
        disk = ec2.EbsDeviceVolumeType.GP2 if near else ec2.EbsDeviceVolumeType.GP3
        start = ec2.UserData.for_linux()
        start.add_commands(f"install -d -o {OWNER} -g {OWNER} -m 0750 {MODELS}")
        template = ec2.LaunchTemplate(
            self,
            "Template",
            launch_template_name=resource_name(self._environment.name, "nodes"),
            machine_image=ecs.EcsOptimizedImage.amazon_linux2023(ecs.AmiHardwareType.GPU),
            instance_type=ec2.InstanceType(size.instance_type),
            security_group=network.nodes,
            role=self._role(),
            user_data=start,
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            detailed_monitoring=True,
            block_devices=[
                ec2.BlockDevice(
                    device_name=_ROOT,
                    volume=ec2.BlockDeviceVolume.ebs(size.disk_gib, encrypted=True, volume_type=disk),
                )
            ],
        )
        if where.carrier:
            self._carrier_address(template, network)
        return template

    def _carrier_address(self, template: ec2.LaunchTemplate, network: Vpc) -> None:
        data = "LaunchTemplateData"
        raw = template.node.default_child
        if not isinstance(raw, ec2.CfnLaunchTemplate):
            raise TypeError("a launch template without its resource")
        raw.add_property_deletion_override(f"{data}.SecurityGroupIds")
        raw.add_property_override(
            f"{data}.NetworkInterfaces",
            [
                {
                    "DeviceIndex": 0,
                    "AssociateCarrierIpAddress": True,
                    "Groups": [network.nodes.security_group_id],
                }
            ],
        )

    def _role(self) -> iam.Role:
        """What ECS's agent needs is added by the capacity provider; Systems Manager is the way in, without SSH."""
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(_MANAGED)],
        )
        for rule, reason in (
            (
                f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{_MANAGED}]",
                "What Systems Manager's agent calls is its own knowledge, and changes with it.",
            ),
            ("IAM5[Resource::*]", "Finding its endpoint and logging in to the registry have no resource."),
            ("IAM5[Action::ecs:Submit*]", "ECS's agent reports states of tasks, on this cluster only."),
        ):
            acknowledge(role, rule, reason)
        return role
