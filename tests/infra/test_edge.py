"""The gateway's service and the model nodes: how they are reached, released, scaled and confined."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from gateway.settings.environment import overlay
from infra.app import ROOT
from infra.constructs.edge.images import gateway_image
from infra.constructs.edge.node_subnets import node_subnets
from infra.constructs.edge.node_targets import node_targets
from infra.constructs.vpc import Vpc
from infra.environments import ENVIRONMENTS
from infra.naming import place
from infra.sizing import GatewaySize, GpuSize, ModelService, Placement
from infra.stage import compose
from router_core.deployment import settings_prefix
from tests.infra.templates import Resource, Synthesis


def containers(synthesis: Synthesis, environment: str) -> dict[str, Resource]:
    """Containers of all tasks, by name."""
    tasks = synthesis.stack(environment, "edge").of("ECS::TaskDefinition").values()
    return {container["Name"]: container for task in tasks for container in task["ContainerDefinitions"]}


def service(synthesis: Synthesis, environment: str, name: str) -> Resource:
    (found,) = (
        found
        for found in synthesis.stack(environment, "edge").of("ECS::Service").values()
        if found["ServiceName"] == f"tierwise-{environment}-{name}"
    )
    return found


def variables(container: Resource) -> dict[str, Any]:
    return {pair["Name"]: pair["Value"] for pair in container["Environment"]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_release_is_blue_green_and_goes_back_on_alarms(synthesis: Synthesis, environment: str) -> None:
    gateway = service(synthesis, environment, "gateway")
    deployment = gateway["DeploymentConfiguration"]
    assert deployment["Strategy"] == "BLUE_GREEN"
    assert deployment["BakeTimeInMinutes"] >= 5
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    alarms = deployment["Alarms"]
    assert (alarms["Enable"], alarms["Rollback"]) == (True, True)
    named = {name for name in alarms["AlarmNames"] if isinstance(name, str)}
    existing = synthesis.stack(environment, "observability").of("CloudWatch::Alarm").values()
    assert named <= {alarm["AlarmName"] for alarm in existing}
    (balanced,) = gateway["LoadBalancers"]
    assert balanced["TargetGroupArn"] != balanced["AdvancedConfiguration"]["AlternateTargetGroupArn"]


def test_the_alarms_that_stop_a_release_are_deployed_before_it(synthesis: Synthesis) -> None:
    manifest = json.loads((synthesis.out / "prod" / "manifest.json").read_text())
    assert "tierwise-prod-observability" in manifest["artifacts"]["tierwise-prod-edge"]["dependencies"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_containers_are_confined(synthesis: Synthesis, environment: str) -> None:
    for name, container in containers(synthesis, environment).items():
        assert container["ReadonlyRootFilesystem"] is True, name
        assert container["Privileged"] is False, name
        assert container["User"] == "10001:10001", name
        assert container["HealthCheck"]["Command"][0] == "CMD", name
        assert container["LogConfiguration"]["LogDriver"] == "awslogs", name


def test_no_secret_is_in_a_task_only_where_it_is(synthesis: Synthesis) -> None:
    for container in containers(synthesis, "prod").values():
        for name, value in variables(container).items():
            if any(word in name for word in ("PASSWORD", "SECRET", "KEY")):
                text = json.dumps(value)
                assert "aws-secret:" in text, name
    node = containers(synthesis, "prod")["vllm"]
    assert [secret["Name"] for secret in node["Secrets"]] == ["VLLM_API_KEY"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_task_gets_longer_to_stop_than_the_gateway_drains(synthesis: Synthesis, environment: str) -> None:
    gateway = containers(synthesis, environment)["gateway"]
    told = variables(gateway)
    assert gateway["StopTimeout"] > float(told["TIERWISE_SERVER__DRAIN_S"])
    assert gateway["StopTimeout"] <= 120
    balancer = synthesis.stack(environment, "edge").one("ElasticLoadBalancingV2::LoadBalancer")
    attributes = {pair["Key"]: pair["Value"] for pair in balancer["LoadBalancerAttributes"]}
    assert float(told["TIERWISE_SERVER__KEEP_ALIVE_S"]) > float(attributes["idle_timeout.timeout_seconds"])
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes["access_logs.s3.enabled"] == "true"


def test_what_the_internet_reaches_speaks_tls_behind_a_firewall(synthesis: Synthesis) -> None:
    for environment, value in ENVIRONMENTS.items():
        stack = synthesis.stack(environment, "edge")
        listener = stack.one("ElasticLoadBalancingV2::Listener")
        public = stack.one("ElasticLoadBalancingV2::LoadBalancer")["Scheme"] == "internet-facing"
        assert public == value.upper.gateway.public
        assert len(stack.of("WAFv2::WebACLAssociation")) == 1
        if public:
            assert listener["Protocol"] == "HTTPS"
            assert "TLS13" in listener["SslPolicy"]
        group = stack.one("EC2::SecurityGroup")
        sources = {rule["CidrIp"] for rule in group["SecurityGroupIngress"]}
        assert sources == {"0.0.0.0/0" if public else value.network.cidr}


def test_the_gateways_settings_are_ones_that_it_knows(synthesis: Synthesis) -> None:
    """Read by the product's own rules, which refuse a variable that names nothing."""
    told = variables(containers(synthesis, "prod")["gateway"])
    ours = {
        name: value
        for name, value in told.items()
        if name.startswith(
            ("TIERWISE_SERVER", "TIERWISE_EVENTS__DIR", "TIERWISE_EVENTS__EMF", "TIERWISE_TRACING")
        )
    }
    read = overlay({}, ours)
    assert read["server"]["port"] == 8080
    assert read["tracing"]["service"] == "tierwise-prod-gateway"
    assert read["events"]["emf"] is True, (
        "what the stream's consumer cannot count comes from the gateway's log"
    )
    assert {"TIERWISE_REDIS__URL", "TIERWISE_REDIS__PASSWORD", "TIERWISE_REDIS__ENVIRONMENT"} <= set(told)
    filters = synthesis.stack("prod", "observability").of("XRay::Group").values()
    assert all(f'name: "{read["tracing"]["service"]}"' in group["FilterExpression"] for group in filters)


def test_the_load_balancer_asks_whether_a_task_is_ready(synthesis: Synthesis) -> None:
    for group in synthesis.stack("prod", "edge").of("ElasticLoadBalancingV2::TargetGroup").values():
        assert group["HealthCheckPath"] == "/health/readiness"
        assert group["TargetType"] == "ip"


def test_the_gateway_grows_by_processors_and_by_requests(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "edge")
    target = stack.one("ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 20)
    policies = stack.of("ApplicationAutoScaling::ScalingPolicy").values()
    text = json.dumps(list(policies))
    assert "ECSServiceAverageCPUUtilization" in text
    assert '"requests / tasks"' in text


def test_machines_are_rented_only_while_a_model_wants_one(synthesis: Synthesis) -> None:
    for environment, value in ENVIRONMENTS.items():
        stack = synthesis.stack(environment, "edge")
        group = stack.one("AutoScaling::AutoScalingGroup")
        assert group["MinSize"] == "0"
        assert group["MaxSize"] == str(value.upper.gpu.max_nodes)
        template = stack.one("EC2::LaunchTemplate")["LaunchTemplateData"]
        assert template["InstanceType"] == value.upper.gpu.instance_type
        assert template["MetadataOptions"]["HttpTokens"] == "required"
        assert all(disk["Ebs"]["Encrypted"] for disk in template["BlockDeviceMappings"])
        for model in value.upper.gpu.models:
            assert service(synthesis, environment, model.name)["DesiredCount"] == model.nodes


def test_a_node_reads_its_own_model_and_no_other(synthesis: Synthesis) -> None:
    reading = [
        statement["Resource"]
        for name, statement in synthesis.stack("prod", "edge").statements()
        if name.startswith("NodesRole") and "s3:GetObject" in statement["Action"]
    ]
    model = ENVIRONMENTS["prod"].upper.gpu.models[0]
    assert reading == [f"arn:aws:s3:::tierwise-prod-models-111122223333-eu-central-1/{model.prefix}*"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_settings_name_the_nodes_by_their_names_in_the_network(
    synthesis: Synthesis, environment: str
) -> None:
    stack = synthesis.stack(environment, "edge")
    zone = stack.one("ServiceDiscovery::PrivateDnsNamespace")["Name"]
    names = {found["Name"] for found in stack.of("ServiceDiscovery::Service").values()}
    targets = node_targets(ENVIRONMENTS[environment])
    assert {target["base_url"] for target in targets} == {f"http://{name}.{zone}:8000/v1" for name in names}
    parameters = synthesis.stack(environment, "agents").of("SSM::Parameter").values()
    (setting,) = (
        found["Value"] for found in parameters if found["Name"] == f"{settings_prefix(environment)}/targets"
    )
    assert {target["name"] for target in targets} <= {target["name"] for target in json.loads(setting)}


PLACEMENTS = {
    "local-zone": Placement(kind="local-zone", zone="us-east-1-bos-1a", cidr="10.10.200.0/24"),
    "wavelength": Placement(kind="wavelength", zone="us-east-1-wl1-bos-wlz-1", cidr="10.10.201.0/24"),
    "outpost": Placement(
        kind="outpost",
        zone="us-east-1a",
        cidr="10.10.202.0/24",
        outpost_arn="arn:aws:outposts:us-east-1:123456789012:outpost/op-0123456789abcdef0",
    ),
}


@pytest.mark.parametrize("kind", PLACEMENTS)
def test_nodes_fit_into_zones_near_users(kind: str) -> None:
    placement, dev = PLACEMENTS[kind], ENVIRONMENTS["dev"]
    near = replace(dev, upper=replace(dev.upper, gpu=GpuSize(placement=placement)))
    stack = Stack(App(), "near")
    network = Vpc(stack, "Network", replace(near, zones=("us-east-1a", "us-east-1b")))
    where = node_subnets(stack, "Zone", environment=near, vpc=network.vpc)
    template = Template.from_stack(stack)
    wanted = {"AvailabilityZone": placement.zone, "CidrBlock": placement.cidr}
    template.has_resource_properties("AWS::EC2::Subnet", wanted)
    template.resource_count_is("AWS::EC2::CarrierGateway", 1 if kind == "wavelength" else 0)
    assert where.carrier == (kind == "wavelength")
    if placement.outpost_arn:
        template.has_resource_properties("AWS::EC2::Subnet", {"OutpostArn": placement.outpost_arn})


def test_a_whole_environment_fits_into_a_wavelength_zone(tmp_path: Path) -> None:
    dev = ENVIRONMENTS["dev"]
    gpu = replace(
        dev.upper.gpu, placement=replace(PLACEMENTS["wavelength"], zone="eu-central-1-wl1-ber-wlz-1")
    )
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(outdir=str(tmp_path), context={**context, "bundle": "sources"})
    compose(app, replace(dev, upper=replace(dev.upper, gpu=gpu)))
    app.synth()
    edge = json.loads((tmp_path / "tierwise-dev-edge.template.json").read_text())["Resources"].values()
    (template,) = (r["Properties"] for r in edge if r["Type"] == "AWS::EC2::LaunchTemplate")
    (interface,) = template["LaunchTemplateData"]["NetworkInterfaces"]
    assert interface["AssociateCarrierIpAddress"] is True
    assert "SecurityGroupIds" not in template["LaunchTemplateData"]


_ARN = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: GatewaySize(public=True), "needs a certificate"),
        (lambda: GatewaySize(certificate_arn="arn:aws:acm:nowhere"), "no certificate's ARN"),
        (lambda: GatewaySize(drain_s=115), "drain_s <= 110"),
        (lambda: GatewaySize(min_tasks=3, max_tasks=2), "min_tasks <= max_tasks"),
        (lambda: Placement(kind="moon"), "placement must be one of"),
        (lambda: Placement(kind="wavelength"), "needs its zone"),
        (lambda: Placement(kind="wavelength", zone="us-east-1-bos-1a", cidr="10.0.0.0/24"), "no zone of the kind"),
        (lambda: Placement(kind="local-zone", zone="us-east-1-bos-1a"), "needs a cidr"),
        (lambda: Placement(kind="outpost", zone="us-east-1a", cidr="10.0.0.0/24"), "named by its ARN"),
        (lambda: Placement(zone="us-east-1-bos-1a"), "no zone of the kind"),
        (lambda: ModelService(name="Big_One", model="m", prefix="m/", context_tokens=1), "no host name"),
        (lambda: ModelService(name="m", model="m", prefix="m", context_tokens=1), "ends with /"),
        (
            lambda: GpuSize(models=(ModelService(name="m", model="m", prefix="m/", context_tokens=1, nodes=1),)),
            "do not fit",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_deployed_is_refused_at_once(made: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        made()
    assert GatewaySize(public=True, certificate_arn=_ARN).public


def test_a_pushed_image_is_named_whole_or_refused() -> None:
    reference = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/tierwise-gateway:abc123"
    dev = ENVIRONMENTS["dev"]
    app = App(context={"image": reference})
    gateway_image(Stack(app, "good", env=place(dev)))
    with pytest.raises(ValueError, match="is wanted"):
        gateway_image(Stack(App(context={"image": "gateway:latest"}), "bad", env=place(dev)))
