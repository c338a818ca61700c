"""Every difference between the environments: how big each is, what it keeps, and how it is protected.

A template asks for no environment by name; it reads a value from here, so that a difference is visible in one place.
Account numbers are the ones of AWS's own documentation: `-c account=` or the command line's credentials replace them.
Names of fields carry their units; a count of nodes, shards or functions has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from infra.sizing import (
    AlarmLimits,
    AuditSize,
    Delivery,
    GatewaySize,
    GpuSize,
    JobsSize,
    ModelService,
    SpendingLimits,
    StreamSize,
    UpperStacks,
)
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
class Environment:
    """One deployment. `keeps_data` retains tables, buckets and keys when a stack is deleted and refuses their
    deletion; `workflow` says what answers a synchronous request; `signals` whether hosts may show requests to Comprehend
    and Textract, where the settings ask for that; `deliberation` whether functions that decide may ask Nova, where the policy
    wants that: those functions' asset then holds what they ask with; `proposals` whether a gateway may write the policy: a
    canary of a proposal that was accepted, where the policy takes proposals; `agentcore` the pushed image of the agents on
    Bedrock AgentCore, None where there are none."""

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
    upper: UpperStacks
    signals: bool = False
    deliberation: bool = False
    proposals: bool = False
    agentcore: str | None = None


_ALL_ENDPOINTS: Final = (
    "appconfigdata",
    "bedrock-runtime",
    "ecr.api",
    "ecr.dkr",
    "kinesis-streams",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "states",
    "xray",
)

_LLAMA_8B: Final = ModelService(
    name="llama-8b",
    model="llama-3.1-8b",
    prefix="nodes/llama-3.1-8b/",
    context_tokens=8192,
    lora_adapters=4,
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
    upper=UpperStacks(
        gateway=GatewaySize(cpu=1024, memory_mib=2048, min_tasks=1, max_tasks=2),
        gpu=GpuSize(max_nodes=1, models=(_LLAMA_8B,)),
        stream=StreamSize(shards=1, retention_hours=24, batch=100),
        alarms=AlarmLimits(
            error_share=0.10,
            fallback_share=0.50,
            latency_p99_ms=10_000,
            confidence_min=0.3,
            cost_usd_per_hour=2.0,
        ),
        audit=AuditSize(trail_days=90),
        spending=SpendingLimits(monthly_usd=300, anomaly_usd=20),
    ),
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
    upper=UpperStacks(
        gateway=GatewaySize(
            cpu=1024,
            memory_mib=2048,
            min_tasks=2,
            max_tasks=4,
            public=True,
            certificate_arn="arn:aws:acm:eu-central-1:444455556666:certificate/00000000-0000-0000-0000-000000000000",
        ),
        gpu=GpuSize(max_nodes=2, models=(replace(_LLAMA_8B, nodes=1),)),
        stream=StreamSize(shards=1, retention_hours=48, batch=200),
        jobs=JobsSize(database="t4g.small", workers="service", max_workers=4),
        alarms=AlarmLimits(
            email="alerts-staging@example.com",
            error_share=0.05,
            fallback_share=0.30,
            latency_p99_ms=5_000,
            confidence_min=0.4,
            cost_usd_per_hour=10.0,
        ),
        audit=AuditSize(data_events=True),
        spending=SpendingLimits(monthly_usd=1_500, anomaly_usd=100),
    ),
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
    upper=UpperStacks(
        gateway=GatewaySize(
            cpu=2048,
            memory_mib=4096,
            min_tasks=3,
            max_tasks=20,
            bake_min=15,
            public=True,
            certificate_arn="arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-0000-0000-000000000000",
        ),
        gpu=GpuSize(
            instance_type="g6.2xlarge",
            memory_mib=28_000,
            max_nodes=8,
            models=(replace(_LLAMA_8B, nodes=2),),
        ),
        stream=StreamSize(shards=None, retention_hours=168, batch=500),
        jobs=JobsSize(
            database="m6g.large",
            storage_gib=100,
            multi_az=True,
            workers="service",
            min_workers=2,
            max_workers=20,
            roll_out_min=20,
        ),
        alarms=AlarmLimits(
            email="alerts@example.com",
            error_share=0.01,
            fallback_share=0.15,
            latency_p99_ms=3_000,
            confidence_min=0.5,
            cost_usd_per_hour=200.0,
        ),
        audit=AuditSize(trail_days=2_555, data_events=True, guardduty=True),
        spending=SpendingLimits(monthly_usd=25_000, anomaly_usd=500),
        delivery=Delivery(
            connection_arn="arn:aws:codeconnections:eu-central-1:111122223333:connection/00000000-0000-0000-0000-000000000000",
            repository="example/tierwise",
        ),
    ),
)

ENVIRONMENTS: Final = {environment.name: environment for environment in (DEV, STAGING, PROD)}

if tuple(ENVIRONMENTS) != deployment.ENVIRONMENTS:  # the product and the templates name the same ones
    raise ValueError(f"environments {tuple(ENVIRONMENTS)} are not the product's {deployment.ENVIRONMENTS}")
