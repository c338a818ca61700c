"""Where model nodes stand: the environment's private subnets, or one subnet in a zone near the users.

A Local Zone and an Outpost use the region's way out. A Wavelength Zone has a way out of its own, the carrier gateway,
through which its nodes fetch their model. Gateways stay in the region: these zones have no Fargate.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Tags
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.constructs.vpc import PRIVATE
from infra.environments import Environment
from infra.sizing import Placement
from router_core.deployment import resource_name


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSubnets:
    """`carrier`: nodes need an address of the carrier's to get out."""

    selection: ec2.SubnetSelection
    carrier: bool = False


def node_subnets(scope: Construct, id: str, *, environment: Environment, vpc: ec2.IVpc) -> NodeSubnets:
    """The subnets for the environment's placement."""
    placement = environment.upper.gpu.placement
    if placement.kind == "region":
        zones = None if placement.zone is None else [placement.zone]
        return NodeSubnets(selection=ec2.SubnetSelection(subnet_group_name=PRIVATE, availability_zones=zones))
    subnet = ec2.CfnSubnet(
        scope,
        id,
        vpc_id=vpc.vpc_id,
        availability_zone=placement.zone,
        cidr_block=placement.cidr,
        outpost_arn=placement.outpost_arn,
        map_public_ip_on_launch=False,
    )
    Tags.of(subnet).add("Name", resource_name(environment.name, f"nodes-{placement.zone}"))
    table = _way_out(scope, id, placement, vpc)
    ec2.CfnSubnetRouteTableAssociation(
        scope, f"{id}Routes", subnet_id=subnet.attr_subnet_id, route_table_id=table
    )
    taken = ec2.Subnet.from_subnet_attributes(
        scope,
        f"{id}Taken",
        subnet_id=subnet.attr_subnet_id,
        availability_zone=placement.zone,
        route_table_id=table,
    )
    return NodeSubnets(selection=ec2.SubnetSelection(subnets=[taken]), carrier=placement.kind == "wavelength")


def _way_out(scope: Construct, id: str, placement: Placement, vpc: ec2.IVpc) -> str:
    if placement.kind != "wavelength":
        return vpc.select_subnets(subnet_group_name=PRIVATE).subnets[0].route_table.route_table_id
    gateway = ec2.CfnCarrierGateway(scope, f"{id}Carrier", vpc_id=vpc.vpc_id)
    table = ec2.CfnRouteTable(scope, f"{id}Table", vpc_id=vpc.vpc_id)
    ec2.CfnRoute(
        scope,
        f"{id}Out",
        route_table_id=table.attr_route_table_id,
        destination_cidr_block="0.0.0.0/0",
        carrier_gateway_id=gateway.attr_carrier_gateway_id,
    )
    return table.attr_route_table_id
