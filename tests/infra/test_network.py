"""The network: nothing of ours is open to the world, data has no way out, and who talked to whom is written down."""

from __future__ import annotations

import pytest

from infra.constructs.vpc import CACHE_PORT
from infra.environments import ENVIRONMENTS
from router_core.deployment import ENVIRONMENTS as NAMES
from tests.infra.templates import Stack, Synthesis


@pytest.fixture(params=NAMES)
def network(request: pytest.FixtureRequest, synthesis: Synthesis) -> Stack:
    return synthesis.stack(request.param, "network")


def test_no_group_lets_the_world_in(network: Stack) -> None:
    rules = [
        *network.of("EC2::SecurityGroupIngress").values(),
        *(
            rule
            for group in network.of("EC2::SecurityGroup").values()
            for rule in group.get("SecurityGroupIngress", [])
        ),
    ]
    assert rules
    assert [rule for rule in rules if "CidrIp" in rule or "CidrIpv6" in rule] == []


def test_the_cache_hears_functions_gateways_and_workers_on_its_port_only(network: Stack) -> None:
    groups = network.of("EC2::SecurityGroup")
    cache = next(name for name, group in groups.items() if group["GroupDescription"] == "Redis")
    callers = [
        rule
        for rule in network.of("EC2::SecurityGroupIngress").values()
        if rule["GroupId"]["Fn::GetAtt"][0] == cache
    ]
    assert {(rule["FromPort"], rule["ToPort"]) for rule in callers} == {(CACHE_PORT, CACHE_PORT)}
    sources = {rule["SourceSecurityGroupId"]["Fn::GetAtt"][0] for rule in callers}
    assert {groups[source]["GroupDescription"] for source in sources} == {
        "Lambda functions",
        "The gateway service",
        "Workers of asynchronous requests",
    }
    (outwards,) = groups[cache]["SecurityGroupEgress"]
    assert outwards["CidrIp"] == "255.255.255.255/32"


def test_isolated_subnets_have_no_way_to_the_internet(network: Stack) -> None:
    isolated = {
        association["RouteTableId"]["Ref"]
        for association in network.of("EC2::SubnetRouteTableAssociation").values()
        if "isolated" in association["SubnetId"]["Ref"]
    }
    assert isolated
    routes = network.of("EC2::Route").values()
    assert [route for route in routes if route["RouteTableId"]["Ref"] in isolated] == []


def test_no_subnet_gives_out_public_addresses(network: Stack) -> None:
    for name, subnet in network.of("EC2::Subnet").items():
        assert subnet["MapPublicIpOnLaunch"] is False, name


def test_all_traffic_is_logged(network: Stack) -> None:
    flow = network.one("EC2::FlowLog")
    assert flow["TrafficType"] == "ALL"
    assert flow["ResourceType"] == "VPC"


@pytest.mark.parametrize("name", NAMES)
def test_aws_is_reached_privately_where_the_environment_pays_for_it(synthesis: Synthesis, name: str) -> None:
    environment = ENVIRONMENTS[name]
    endpoints = list(synthesis.stack(name, "network").of("EC2::VPCEndpoint").values())
    gateways = [endpoint for endpoint in endpoints if endpoint["VpcEndpointType"] == "Gateway"]
    private = {
        endpoint["ServiceName"].removeprefix(f"com.amazonaws.{environment.region}.")
        for endpoint in endpoints
        if endpoint["VpcEndpointType"] == "Interface" and endpoint["PrivateDnsEnabled"]
    }
    assert len(gateways) == 2  # S3 and DynamoDB cost nothing
    assert private == set(environment.network.interface_endpoints)


@pytest.mark.parametrize("name", NAMES)
def test_every_zone_has_its_subnets(synthesis: Synthesis, name: str) -> None:
    subnets = synthesis.stack(name, "network").of("EC2::Subnet").values()
    zones = [subnet["AvailabilityZone"] for subnet in subnets]
    assert {zone: zones.count(zone) for zone in zones} == dict.fromkeys(ENVIRONMENTS[name].zones, 3)


def test_a_production_zone_can_fail(synthesis: Synthesis) -> None:
    prod = ENVIRONMENTS["prod"]
    assert len(prod.zones) >= 3
    assert len(synthesis.stack("prod", "network").of("EC2::NatGateway")) == len(prod.zones)
