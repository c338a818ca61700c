"""Every difference between the environments: how big each is, what it keeps, and how it is protected.

A template asks for no environment by name; it reads a value from here, so that a difference is visible in one place.
Account numbers are the ones of AWS's own documentation: `-c account=` or the command line's credentials replace them.
Names of fields carry their units; a count of nodes, shards or functions has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from router_core import deployment

WorkflowMode = Literal["one-function", "state-machine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """`interface_endpoints` name AWS services that are reached privately: each costs by the hour and zone.
    Without one, a service is reached through a NAT gateway."""

    cidr: str
    nat_gateways: int
    interface_endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept. Decisions and metrics are told their end by the code (`expires`)."""

    logs_days: int
    lake_days: int
    archive_days: int
    backups_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Redis nodes: one is the primary, every other a replica in another zone."""

    node_type: str
    nodes: int
    snapshots_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """`provisioned` keeps that many of the request path's functions warm; `reserved` caps each (None shares the
    account's pool)."""

    memory_mb: int
    provisioned: int
    reserved: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Limits of the API as a whole, of the costly methods, and of one address (per five minutes)."""

    requests_per_s: int
    burst: int
    inferences_per_s: int
    inference_burst: int
    quota_per_day: int
    address_requests_per_5_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The gateway service and the nodes that serve models. `zones` may name Local Zones, Wavelength Zones or the
    zone of an Outpost; empty means the environment's own zones."""

    gateways_min: int
    gateways_max: int
    gateway_cpu: int
    gateway_memory_mb: int
    nodes_min: int
    nodes_max: int
    node_type: str
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Shards of the event stream and how many records one run of the analytics function takes."""

    shards: int
    retention_h: int
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """When somebody is told. Shares are fractions of requests in five minutes."""

    email: str | None
    error_share: float
    fallback_share: float
    latency_p99_ms: float
    confidence_min: float
    cost_usd_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One deployment. `keeps_data` retains tables, buckets and keys when a stack is deleted and refuses their
    deletion; `workflow` says what answers a synchronous request."""

    name: str
    account: str
    region: str
    zones: tuple[str, ...]
    workflow: WorkflowMode
    keeps_data: bool
    network: Network
    retention: Retention
    cache: Cache
    functions: Functions
    api: Api
    edge: Edge
    stream: Stream
    alarms: Alarms
    budget_usd_per_month: int


_ALL_ENDPOINTS: Final = (
    "bedrock-runtime",
    "ecr.api",
    "ecr.dkr",
    "kinesis-streams",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "secretsmanager",
    "ssm",
    "states",
    "xray",
)

DEV: Final = Environment(
    name="dev",
    account="123456789012",
    region="eu-central-1",
    zones=("eu-central-1a", "eu-central-1b"),
    workflow="one-function",
    keeps_data=False,
    network=Network(cidr="10.10.0.0/16", nat_gateways=1, interface_endpoints=()),
    retention=Retention(logs_days=7, lake_days=30, archive_days=90, backups_days=7),
    cache=Cache(node_type="cache.t4g.micro", nodes=1, snapshots_days=0),
    functions=Functions(memory_mb=1024, provisioned=0, reserved=None),
    api=Api(
        requests_per_s=50,
        burst=100,
        inferences_per_s=20,
        inference_burst=40,
        quota_per_day=50_000,
        address_requests_per_5_min=2_000,
    ),
    edge=Edge(
        gateways_min=1,
        gateways_max=2,
        gateway_cpu=1024,
        gateway_memory_mb=2048,
        nodes_min=0,
        nodes_max=1,
        node_type="g6.xlarge",
    ),
    stream=Stream(shards=1, retention_h=24, batch=100),
    alarms=Alarms(
        email=None,
        error_share=0.10,
        fallback_share=0.50,
        latency_p99_ms=10_000,
        confidence_min=0.3,
        cost_usd_per_hour=2.0,
    ),
    budget_usd_per_month=300,
)

STAGING: Final = Environment(
    name="staging",
    account="444455556666",
    region="eu-central-1",
    zones=("eu-central-1a", "eu-central-1b"),
    workflow="one-function",
    keeps_data=False,
    network=Network(cidr="10.20.0.0/16", nat_gateways=1, interface_endpoints=("secretsmanager", "ssm")),
    retention=Retention(logs_days=30, lake_days=90, archive_days=365, backups_days=14),
    cache=Cache(node_type="cache.t4g.small", nodes=2, snapshots_days=1),
    functions=Functions(memory_mb=1536, provisioned=1, reserved=50),
    api=Api(
        requests_per_s=200,
        burst=400,
        inferences_per_s=100,
        inference_burst=200,
        quota_per_day=500_000,
        address_requests_per_5_min=5_000,
    ),
    edge=Edge(
        gateways_min=2,
        gateways_max=4,
        gateway_cpu=1024,
        gateway_memory_mb=2048,
        nodes_min=1,
        nodes_max=2,
        node_type="g6.xlarge",
    ),
    stream=Stream(shards=1, retention_h=48, batch=200),
    alarms=Alarms(
        email="alerts-staging@example.com",
        error_share=0.05,
        fallback_share=0.30,
        latency_p99_ms=5_000,
        confidence_min=0.4,
        cost_usd_per_hour=10.0,
    ),
    budget_usd_per_month=1_500,
)

PROD: Final = Environment(
    name="prod",
    account="111122223333",
    region="eu-central-1",
    zones=("eu-central-1a", "eu-central-1b", "eu-central-1c"),
    workflow="one-function",
    keeps_data=True,
    network=Network(cidr="10.30.0.0/16", nat_gateways=3, interface_endpoints=_ALL_ENDPOINTS),
    retention=Retention(logs_days=365, lake_days=365, archive_days=2_555, backups_days=35),
    cache=Cache(node_type="cache.r7g.large", nodes=3, snapshots_days=7),
    functions=Functions(memory_mb=1769, provisioned=5, reserved=200),
    api=Api(
        requests_per_s=2_000,
        burst=4_000,
        inferences_per_s=1_000,
        inference_burst=2_000,
        quota_per_day=20_000_000,
        address_requests_per_5_min=20_000,
    ),
    edge=Edge(
        gateways_min=3,
        gateways_max=20,
        gateway_cpu=2048,
        gateway_memory_mb=4096,
        nodes_min=2,
        nodes_max=8,
        node_type="g6.2xlarge",
    ),
    stream=Stream(shards=4, retention_h=168, batch=500),
    alarms=Alarms(
        email="alerts@example.com",
        error_share=0.01,
        fallback_share=0.15,
        latency_p99_ms=3_000,
        confidence_min=0.5,
        cost_usd_per_hour=200.0,
    ),
    budget_usd_per_month=25_000,
)

ENVIRONMENTS: Final = {environment.name: environment for environment in (DEV, STAGING, PROD)}

if tuple(ENVIRONMENTS) != deployment.ENVIRONMENTS:  # the product and the templates name the same ones
    raise ValueError(f"environments {tuple(ENVIRONMENTS)} are not the product's {deployment.ENVIRONMENTS}")
