"""How big and how protected the upper stacks of an environment are: one frozen record per capability.

`environments.py` gives the values; the constructs read them. What cannot be deployed is refused here, while the
templates are made, since an account would say so only after minutes. Times in minutes, days or seconds as named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

ZONE_KINDS: Final = ("region", "local-zone", "wavelength", "outpost")
_ZONE: Final = {
    "region": r"[a-z]{2}(-[a-z]+)+-\d[a-z]",
    "local-zone": r"[a-z]{2}(-[a-z]+)+-\d-[a-z]{3}-\d[a-z]",
    "wavelength": r"[a-z]{2}(-[a-z]+)+-\d-wl\d-[a-z]{3}-wlz-\d",
    "outpost": r"[a-z]{2}(-[a-z]+)+-\d[a-z]",
}
_OUTPOST: Final = r"arn:aws:outposts:[a-z0-9-]+:\d{12}:outpost/op-[0-9a-f]{17}"
_CERTIFICATE: Final = r"arn:aws:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]{36}"
_CONNECTION: Final = r"arn:aws:code(connections|star-connections):[a-z0-9-]+:\d{12}:connection/[0-9a-f-]{36}"
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(f"environment: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where nodes that serve models stand. A zone other than the region's own gets a subnet of its own, `cidr`, in
    the environment's network; an Outpost is named by its ARN beside the zone that it is anchored to."""

    kind: str = "region"
    zone: str | None = None
    cidr: str | None = None
    outpost_arn: str | None = None

    def __post_init__(self) -> None:
        _require(self.kind in ZONE_KINDS, f"placement must be one of {', '.join(ZONE_KINDS)}")
        _require(self.zone is not None or self.kind == "region", f"a {self.kind} placement needs its zone")
        _require(
            self.zone is None or re.fullmatch(_ZONE[self.kind], self.zone),
            f"{self.zone} is no zone of the kind {self.kind}",
        )
        _require((self.cidr is None) == (self.kind == "region"), "a zone outside the region needs a cidr")
        _require((self.outpost_arn is None) == (self.kind != "outpost"), "an Outpost is named by its ARN")
        _require(
            self.outpost_arn is None or re.fullmatch(_OUTPOST, self.outpost_arn), "this is no Outpost's ARN"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelService:
    """One model on nodes of ours: `name` is its host name and its service, `model` what clients call it, `prefix` its
    folder in the models bucket. `nodes` are started with the environment; later the count belongs to operators."""

    name: str
    model: str
    prefix: str
    context_tokens: int
    nodes: int = 0
    lora_adapters: int = 0

    def __post_init__(self) -> None:
        _require(re.fullmatch(_LABEL, self.name), f"{self.name} is no host name")
        _require(not self.prefix.startswith("/") and self.prefix.endswith("/"), "a prefix ends with /")
        _require(self.nodes >= 0 and self.lora_adapters >= 0 and self.context_tokens > 0, "counts are >= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSize:
    """Machines for models. All of an environment's models share the machines; one task takes one GPU."""

    instance_type: str = "g6.xlarge"
    max_nodes: int = 0
    memory_mib: int = 14_000
    disk_gib: int = 200
    models: tuple[ModelService, ...] = ()
    placement: Placement = Placement()

    def __post_init__(self) -> None:
        wanted = sum(model.nodes for model in self.models)
        _require(wanted <= self.max_nodes, f"{wanted} model nodes do not fit on {self.max_nodes} machines")
        names = {model.name for model in self.models}
        _require(len(names) == len(self.models), "two models have the same name")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySize:
    """The gateway's service. Without a certificate the load balancer speaks HTTP and is internal: an address that
    the internet reaches without TLS cannot be written down. `drain_s` is the gateway's own setting."""

    cpu: int = 512
    memory_mib: int = 1024
    min_tasks: int = 1
    max_tasks: int = 2
    cpu_percent: int = 60
    requests_per_target_min: int = 3_000
    drain_s: int = 60
    bake_min: int = 5
    public: bool = False
    certificate_arn: str | None = None

    def __post_init__(self) -> None:
        _require(not self.public or self.certificate_arn, "a public gateway needs a certificate")
        _require(
            self.certificate_arn is None or re.fullmatch(_CERTIFICATE, self.certificate_arn),
            "this is no certificate's ARN",
        )
        _require(1 <= self.min_tasks <= self.max_tasks, "0 < min_tasks <= max_tasks")
        _require(0 <= self.drain_s <= 110, "Fargate stops a task after 120 s at the latest: drain_s <= 110")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSize:
    """The event stream. No shard count means on-demand capacity."""

    shards: int | None = None
    retention_hours: int = 24
    batch: int = 200
    buffer_s: int = 60
    query_limit_mb: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsSize:
    """Asynchronous requests: the database, who works on the queues, and when messages are late. `workers` are functions that
    SQS calls, or a service with `min_workers` to `max_workers` tasks, each of `running` jobs per queue at once."""

    database: str = "t4g.micro"
    storage_gib: int = 20
    multi_az: bool = False
    workers: str = "functions"
    min_workers: int = 1
    max_workers: int = 4
    running: int = 16
    cpu: int = 1024
    memory_mib: int = 2048
    target_age_s: int = 30
    oldest_s: int = 900
    roll_out_min: int = 4

    def __post_init__(self) -> None:
        _require(self.workers in ("functions", "service"), "jobs are worked on by functions or by a service")
        _require(1 <= self.min_workers <= self.max_workers, "0 < min_workers <= max_workers")
        _require(self.max_workers >= 2, "SQS calls at least two functions at once")
        _require(0 < self.target_age_s < self.oldest_s, "0 < target_age_s < oldest_s")
        _require(self.storage_gib >= 20, "a database has 20 GiB at least")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLimits:
    """Above these an alarm goes off. Shares are of all requests in five minutes."""

    error_share: float = 0.05
    latency_p99_ms: float = 10_000
    confidence_min: float = 0.3
    fallback_share: float = 0.2
    cost_usd_per_hour: float = 20.0
    security_denials_per_5min: int = 500
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A caller that a new environment knows: its key is made there and seen by nobody before."""

    id: str
    tenant: str = "default"
    role: str = "user"

    def __post_init__(self) -> None:
        _require(re.fullmatch(_LABEL, self.id), f"{self.id} is no key's id")
        _require(self.role in ("user", "admin"), "a key's role is user or admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSize:
    """What is watched over. Data events and GuardDuty are billed by volume, so an environment says whether it wants
    them; account-wide services belong to one environment of an account."""

    trail_days: int = 365
    data_events: bool = False
    config_recorder: bool = True
    guardduty: bool = False
    rotation_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingLimits:
    """Monthly limit in USD, and from which unusual rise on somebody is told."""

    monthly_usd: float = 200.0
    anomaly_usd: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The pipeline, which one environment's account hosts: source, then the environments in this order; those in
    `approved` wait for a person."""

    connection_arn: str
    repository: str
    branch: str = "main"
    environments: tuple[str, ...] = ("dev", "staging", "prod")
    approved: tuple[str, ...] = ("prod",)
    images_kept: int = 30

    def __post_init__(self) -> None:
        _require(re.fullmatch(_CONNECTION, self.connection_arn), "this is no connection's ARN")
        _require(re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository), "a repository is owner/name")
        _require(
            set(self.approved) <= set(self.environments), "approval for an environment that is not there"
        )
        _require("prod" in self.approved or "prod" not in self.environments, "prod is never deployed unasked")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperStacks:
    """All of the above for one environment."""

    gateway: GatewaySize = GatewaySize()
    gpu: GpuSize = GpuSize()
    stream: StreamSize = StreamSize()
    jobs: JobsSize = JobsSize()
    alarms: AlarmLimits = AlarmLimits()
    audit: AuditSize = AuditSize()
    spending: SpendingLimits = SpendingLimits()
    keys: tuple[ApiKey, ...] = (ApiKey(id="operator", role="admin"), ApiKey(id="app"))
    delivery: Delivery | None = None
