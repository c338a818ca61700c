"""Reads from templates what is paid for by the hour or the month, whether anybody asks or not.

A bill is a sorted list of (price key, quantity). The packaged ones are made from the packaged environments' templates, and a
test compares them; `--templates` reads any others. What is only paid for by use is the matter of `usage.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from router_core.errors import ConfigurationError

Resources = Mapping[str, Mapping[str, Any]]
Charges = Iterable[tuple[str, float]]
DATA: Final = Path(__file__).parent / "data"
HOURS: Final = 730.0
"""Hours of an average month, as AWS's own calculator counts."""
MAX_BYTES: Final = 16 * 1024 * 1024
NODE: Final = "ec2.instance_hour/"
"""Nodes that serve models stay on the bill with none of them running, because each one that starts counts."""


def packaged_bill(env: str) -> dict[str, float]:
    """The bill of a packaged environment. Raises `ConfigurationError`."""
    file = DATA / f"{env}.json"
    if not file.is_file():
        raise ConfigurationError(f"there is no environment {env}; choose one of dev, staging, prod")
    bill: dict[str, float] = json.loads(file.read_text())
    return bill


def bill_of_folder(folder: Path) -> dict[str, float]:
    """The bill of every template under a folder that `cdk synth` filled. Raises `ConfigurationError`."""
    files = sorted(folder.rglob("*.template.json"))
    if not files:
        raise ConfigurationError(f"{folder} holds no templates; `make synth` or `cdk synth` makes them")
    total: Counter[str] = Counter()
    for file in files:
        total.update(bill_of(_resources(file)))
    return dict(sorted(total.items()))


def bill_of(resources: Resources) -> dict[str, float]:
    """What one template's resources cost by time."""
    total: Counter[str] = Counter()
    for resource in resources.values():
        rule = _RULES.get(resource["Type"])
        if rule is not None:
            for key, quantity in rule(resource.get("Properties", {}), resources):
                total[key] += quantity  # type: ignore[assignment]  # a Counter of fractions
    return {key: quantity for key, quantity in total.items() if quantity or key.startswith(NODE)}


def _resources(file: Path) -> Resources:
    try:
        content = file.read_bytes()
        found: Resources = json.loads(content)["Resources"] if len(content) <= MAX_BYTES else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{file} is no template") from error
    return found


def _one(key: str) -> Callable[[Mapping[str, Any], Resources], Charges]:
    return lambda properties, resources: [(key, 1)]


def _endpoint(properties: Mapping[str, Any], resources: Resources) -> Charges:
    """An interface endpoint costs by the zone; a gateway endpoint nothing."""
    interface = properties.get("VpcEndpointType") == "Interface"
    return [("ec2.vpc_endpoint_hour", len(properties.get("SubnetIds", ())))] if interface else []


def _cache(properties: Mapping[str, Any], resources: Resources) -> Charges:
    nodes = properties.get("NumCacheClusters")
    if nodes is None:
        nodes = properties.get("NumNodeGroups", 1) * (1 + properties.get("ReplicasPerNodeGroup", 0))
    return [(f"elasticache.node_hour/{properties['CacheNodeType']}", nodes)]


def _balancer(properties: Mapping[str, Any], resources: Resources) -> Charges:
    network = properties.get("Type") == "network"
    open_to_all = properties.get("Scheme") == "internet-facing"
    yield ("elb.nlb_hour" if network else "elb.alb_hour"), 1
    yield "ec2.public_ipv4_hour", len(properties.get("Subnets", ())) if open_to_all else 0


def _service(properties: Mapping[str, Any], resources: Resources) -> Charges:
    """A Fargate service costs by its tasks' size; one on instances costs through them."""
    definition = resources.get(_ref(properties.get("TaskDefinition")), {}).get("Properties", {})
    if "FARGATE" not in definition.get("RequiresCompatibilities", ()):
        return
    tasks = float(properties.get("DesiredCount", 1))
    yield "fargate.vcpu_hour", tasks * float(definition["Cpu"]) / 1024
    yield "fargate.gb_hour", tasks * float(definition["Memory"]) / 1024


def _instances(properties: Mapping[str, Any], resources: Resources) -> Charges:
    count = float(properties.get("DesiredCapacity", properties.get("MinSize", 0)))
    template = resources.get(_ref(properties.get("LaunchTemplate", {}).get("LaunchTemplateId")), {})
    kind = template.get("Properties", {}).get("LaunchTemplateData", {}).get("InstanceType")
    return [(f"ec2.instance_hour/{kind}", count)]


def _database(properties: Mapping[str, Any], resources: Resources) -> Charges:
    """A second zone is a second machine with a second disk."""
    machines = 2 if properties.get("MultiAZ") else 1
    yield f"rds.instance_hour/{properties['DBInstanceClass']}", machines
    yield "rds.storage_gb_month", machines * float(properties.get("AllocatedStorage", 0))


def _stream(properties: Mapping[str, Any], resources: Resources) -> Charges:
    if properties.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND":
        return [("kinesis.on_demand_hour", 1)]
    return [("kinesis.shard_hour", properties.get("ShardCount", 1))]


def _alias(properties: Mapping[str, Any], resources: Resources) -> Charges:
    warm = properties.get("ProvisionedConcurrencyConfig", {}).get("ProvisionedConcurrentExecutions", 0)
    function = resources.get(_ref(properties.get("FunctionName")), {}).get("Properties", {})
    return [("lambda.provisioned_gb_second", warm * function.get("MemorySize", 128) / 1024 * 3600)]


def _acl(properties: Mapping[str, Any], resources: Resources) -> Charges:
    return [("wafv2.acl_month", 1), ("wafv2.rule_month", len(properties.get("Rules", ())))]


def _ref(value: object) -> str:
    """The logical name a property refers to."""
    if isinstance(value, Mapping):
        named = value.get("Ref") or (value.get("Fn::GetAtt") or [""])[0]
        return str(named)
    return ""


_RULES: Final[Mapping[str, Callable[[Mapping[str, Any], Resources], Charges]]] = {
    "AWS::AutoScaling::AutoScalingGroup": _instances,
    "AWS::CloudWatch::Alarm": _one("cloudwatch.alarm_month"),
    "AWS::CloudWatch::CompositeAlarm": _one("cloudwatch.composite_alarm_month"),
    "AWS::CloudWatch::Dashboard": _one("cloudwatch.dashboard_month"),
    "AWS::CodePipeline::Pipeline": _one("codepipeline.pipeline_month"),
    "AWS::EC2::EIP": _one("ec2.public_ipv4_hour"),
    "AWS::EC2::NatGateway": _one("ec2.nat_gateway_hour"),
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ECS::Service": _service,
    "AWS::ElastiCache::ReplicationGroup": _cache,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::KMS::Key": _one("kms.key_month"),
    "AWS::Kinesis::Stream": _stream,
    "AWS::Lambda::Alias": _alias,
    "AWS::RDS::DBInstance": _database,
    "AWS::SecretsManager::Secret": _one("secretsmanager.secret_month"),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": _one("servicediscovery.zone_month"),
    "AWS::WAFv2::WebACL": _acl,
}
