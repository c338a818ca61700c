"""The network: public subnets for what the internet reaches, private ones for what we run, isolated ones for data.

Traffic to S3 and DynamoDB never leaves AWS's network (gateway endpoints, free); other services are reached privately
where the environment pays for it, else through a NAT gateway. Flow logs say who talked to whom.
"""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.retention import log_days
from infra.environments import Environment
from router_core.deployment import resource_name

PUBLIC = "public"
PRIVATE = "private"
ISOLATED = "isolated"
CACHE_PORT = 6380
"""Not the port that everybody tries."""
MODEL_PORT = 8000
DATABASE_PORT = 5433
"""Nor this one."""


class Vpc(Construct):
    """`vpc`, and the security group of each kind of member: a group is a name for "who may call whom"."""

    def __init__(self, scope: Construct, id: str, environment: Environment) -> None:
        super().__init__(scope, id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=resource_name(environment.name, "vpc"),
            ip_addresses=ec2.IpAddresses.cidr(environment.network.cidr),
            availability_zones=list(environment.zones),
            nat_gateways=environment.network.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name=PUBLIC,
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=24,
                    map_public_ip_on_launch=False,
                ),
                ec2.SubnetConfiguration(
                    name=PRIVATE, subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20
                ),
                ec2.SubnetConfiguration(
                    name=ISOLATED, subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24
                ),
            ],
            flow_logs={
                "all": ec2.FlowLogOptions(
                    destination=ec2.FlowLogDestination.to_cloud_watch_logs(self._flow_log_group(environment))
                )
            },
        )
        self.functions = self._group("Functions", "Lambda functions")
        self.gateways = self._group("Gateways", "The gateway service")
        self.nodes = self._group("Nodes", "Nodes that serve models")
        self.cache = self._group("Cache", "Redis")
        self.workers = self._group("Workers", "Workers of asynchronous requests")
        self.database = self._group("Database", "History of asynchronous requests")
        for caller in (self.functions, self.gateways, self.workers):
            self.cache.add_ingress_rule(caller, ec2.Port.tcp(CACHE_PORT), "Redis over TLS")
            self.nodes.add_ingress_rule(caller, ec2.Port.tcp(MODEL_PORT), "OpenAI protocol of a model server")
        for caller in (self.gateways, self.workers):
            self.database.add_ingress_rule(caller, ec2.Port.tcp(DATABASE_PORT), "PostgreSQL over TLS")
        self._out_of_workers()
        self._endpoints(environment)

    def _flow_log_group(self, environment: Environment) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            "FlowLog",
            log_group_name=f"/{resource_name(environment.name, 'flows')}",
            retention=log_days(environment),
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _group(self, id: str, description: str) -> ec2.SecurityGroup:
        closed = id in ("Cache", "Database", "Workers")
        return ec2.SecurityGroup(
            self, id, vpc=self.vpc, description=description, allow_all_outbound=not closed
        )

    def _out_of_workers(self) -> None:
        """AWS, models and webhooks over TLS, and three of ours by name: nothing else has a way out of a worker."""
        ways = (
            (self.cache, CACHE_PORT, "Redis over TLS"),
            (self.database, DATABASE_PORT, "PostgreSQL over TLS"),
            (self.nodes, MODEL_PORT, "OpenAI protocol of a model server"),
            (ec2.Peer.any_ipv4(), 443, "AWS services, models and webhooks"),
        )
        for peer, port, what in ways:
            self.workers.add_egress_rule(peer, ec2.Port.tcp(port), what)

    def _endpoints(self, environment: Environment) -> None:
        for name, service in (
            ("S3", ec2.GatewayVpcEndpointAwsService.S3),
            ("DynamoDb", ec2.GatewayVpcEndpointAwsService.DYNAMODB),
        ):
            self.vpc.add_gateway_endpoint(name, service=service)
        if not environment.network.interface_endpoints:
            return
        group = self._group("Endpoints", "Interface endpoints of AWS services")
        for caller in (self.functions, self.gateways, self.nodes, self.workers):
            group.add_ingress_rule(caller, ec2.Port.tcp(443), "HTTPS to AWS services")
        for name in _reached(environment):
            self.vpc.add_interface_endpoint(
                "".join(part.title() for part in name.replace(".", "-").split("-")),
                service=ec2.InterfaceVpcEndpointService(f"com.amazonaws.{Stack.of(self).region}.{name}", 443),
                private_dns_enabled=True,
                security_groups=[group],
                open=False,
                subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
            )


def _reached(environment: Environment) -> tuple[str, ...]:
    """Runs that are waited for have an endpoint of their own, wherever the others have one."""
    wanted = environment.network.interface_endpoints
    waits = environment.workflow == "state-machine" and "states" in wanted
    return (*wanted, "sync-states") if waits else wanted
