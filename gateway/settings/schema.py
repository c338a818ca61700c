"""Where things are: the settings' types, their defaults and their bounds.

Each key here has one place: how to decide is the policy's matter, how big an environment is belongs to its deployment.
The bounds stand beside the defaults, so that the reader, the error messages and the documentation agree.
Secrets are references only; a value never enters these types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from gateway.settings.batches import BatchSettings
from gateway.settings.guards import GUARDRAIL, VERSION, GuardSettings
from gateway.settings.jobs import JobSettings
from gateway.settings.learning import LearningSettings
from gateway.settings.mcp import McpSettings
from gateway.settings.providers import ProviderSettings
from gateway.settings.rules import bounded, matching, one_of
from gateway.settings.secrets import SecretRef
from router_core.inference import PRIVACY_LEVELS, TASKS, TIERS

KINDS: Final = ("onnx", "openai", "bedrock", "sagemaker")
MODALITIES: Final = ("text", "image", "audio")
ROLES: Final = ("user", "admin")
FSYNC: Final = ("always", "interval", "never")
_INTERVAL: Final = "interval"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,95}"
_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_HOST_PORT: Final = r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?"
_REDIS_URL: Final = r"rediss?://[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?(/[0-9]{1,3})?"
_TABLE: Final = r"[A-Za-z0-9_.-]{3,255}"
_MEMORY: Final = r"[a-zA-Z][a-zA-Z0-9_-]{0,99}-[a-zA-Z0-9]{10}"
_BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_AWS_REGION: Final = r"[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}"
_MODEL_ID: Final = r"[!-~]{1,256}"
_REGION: Final = r"[A-Za-z]{2}|[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The HTTP server. `region` is where this gateway runs (AWS region or ISO country): it places `onnx` targets;
    unset means that they run where the caller is. Times in seconds, sizes in bytes."""

    host: str = matching("127.0.0.1", r"[A-Za-z0-9.:_-]{1,253}", "a host name or an address")
    port: int = bounded(8080, 0, 65535)
    workers: int = bounded(1, 1, 64)
    region: str | None = matching(None, _REGION, "an AWS region or a two-letter country")
    max_body_bytes: int = bounded(10 * 1024 * 1024, 1024, 100 * 1024 * 1024)
    max_connections: int = bounded(10_000, 1, 1_000_000)
    keep_alive_s: float = bounded(75.0, 1.0, 3600.0)
    drain_s: float = bounded(10.0, 0.0, 600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """One target. What is None comes from the dated model data. Prices are USD per million tokens. `cloudwatch` holds
    the dimensions of the target's metrics there, `quotas` the codes of its quotas in Service Quotas. `emulated` marks every answer as coming from a simulator. Each of a
    Bedrock target's `fallback_regions` becomes a target of its own, `NAME@REGION`, so that residency and privacy
    judge it like any other."""

    name: str = matching("", _NAME, "letters, digits and . _ / : @ -")
    kind: str = one_of("openai", KINDS)
    tier: str | None = one_of(None, TIERS)
    model: str = matching("", r"[!-~]{1,256}", "a model id")
    base_url: str | None = None
    endpoint_url: str | None = None
    endpoint: str | None = matching(
        None, r"[A-Za-z0-9](-?[A-Za-z0-9]){0,62}", "the name of a SageMaker endpoint"
    )
    api_key: SecretRef | None = None
    path: Path | None = None
    region: str | None = matching(None, _REGION, "an AWS region or a two-letter country")
    tasks: tuple[str, ...] = one_of((), TASKS)
    modalities: tuple[str, ...] = one_of((), MODALITIES)
    tools: bool | None = None
    json_output: bool | None = None
    continues: bool | None = None
    context_tokens: int | None = bounded(None, 1, 100_000_000)
    max_output_tokens: int | None = bounded(None, 1, 10_000_000)
    price_in: float | None = bounded(None, 0.0, 100_000.0)
    price_out: float | None = bounded(None, 0.0, 100_000.0)
    lat: float | None = bounded(None, -90.0, 90.0)
    lon: float | None = bounded(None, -180.0, 180.0)
    max_privacy: str | None = one_of(None, PRIVACY_LEVELS)
    timeout_s: float = bounded(60.0, 0.1, 3600.0)
    fallback_regions: tuple[str, ...] = matching((), _REGION, "AWS regions")
    max_concurrency: int = bounded(32, 1, 10_000)
    capability: float | None = bounded(None, 0.0, 1.0)
    quality: Mapping[str, float] = field(default_factory=dict)
    energy_token_j: float | None = bounded(None, 0.0, 100_000.0)
    cloudwatch: Mapping[str, str] = field(default_factory=dict)
    quotas: Mapping[str, str] = field(default_factory=dict)
    guardrail: str | None = matching(None, GUARDRAIL, "the id or the ARN of a guardrail")
    guardrail_version: str = matching("DRAFT", VERSION, "DRAFT or a number")
    guardrail_stream: str = one_of("sync", ("sync", "async"))
    prompt_cache: tuple[str, ...] = one_of((), ("system", "tools", "messages"))
    emulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """One bearer key. Limits are per minute; None is no limit."""

    id: str = matching("", _ID, "letters, digits and . _ -")
    tenant: str = matching("default", _ID, "letters, digits and . _ -")
    role: str = one_of("user", ROLES)
    secret: SecretRef | None = None
    requests_per_min: int | None = bounded(None, 1, 100_000_000)
    tokens_per_min: int | None = bounded(None, 1, 10_000_000_000)
    tiers: tuple[str, ...] = one_of(TIERS, TIERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """Where the policy document is; neither given means the packaged default. `ssm` names a parameter, looked at every
    `poll_s` seconds; the last good policy is kept in `copy`, from which a gateway starts when nobody can be asked."""

    file: Path | None = None
    ssm: str | None = matching(
        None, r"(/[A-Za-z0-9_.-]{1,100}){1,10}", "a parameter such as /tierwise/dev/policy"
    )
    poll_s: float = bounded(10.0, 0.2, 20.0)
    copy: Path | None = Path("var/policy.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettings:
    """The append-only record log, the stream that records also leave on, and metrics for CloudWatch (`emf`).
    `content_logging` is refused until there is one."""

    dir: Path = Path("var/events")
    fsync: Literal["always", "interval", "never"] = one_of(_INTERVAL, FSYNC)
    rotate_mb: int = bounded(64, 1, 4096)
    keep_files: int = bounded(16, 1, 10_000)
    content_logging: bool = False
    kinesis: str | None = matching(None, r"[A-Za-z0-9_.-]{1,128}", "the name of a Kinesis stream")
    emf: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """Size of the in-memory response cache; how long an answer is kept is the policy's matter."""

    max_entries: int = bounded(10_000, 0, 10_000_000)
    max_mb: int = bounded(64, 1, 65_536)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """Shared state of several workers and replicas, at `url` or where `sentinels` say; neither means that there is none.
    `timeout_ms` is what one call may cost a request before Redis counts as away."""

    url: str | None = matching(
        None, _REDIS_URL, "redis://host:port/number or rediss://..., without credentials"
    )
    sentinels: tuple[str, ...] = matching((), _HOST_PORT, "host:port of a sentinel")
    master: str = matching("mymaster", _ID, "letters, digits and . _ -")
    username: str | None = matching(None, _ID, "letters, digits and . _ -")
    password: SecretRef | None = None
    sentinel_password: SecretRef | None = None
    tls: bool = False
    ca_file: Path | None = None
    environment: str = matching("default", r"[a-z0-9][a-z0-9-]{0,31}", "lower-case letters, digits and -")
    timeout_ms: float = bounded(50.0, 1.0, 5000.0)
    connections: int = bounded(16, 1, 256)

    @property
    def configured(self) -> bool:
        """Whether there is a Redis to use."""
        return self.url is not None or bool(self.sentinels)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """What an AWS environment calls its tables and its buckets; region and credentials come from AWS's own variables. A
    name that is not given is one that the process does without. `keep_days`: how long a decision stays in its table;
    `agentcore_memory` keeps the proposals."""

    decisions: str | None = matching(None, _TABLE, "the name of a DynamoDB table")
    state: str | None = matching(None, _TABLE, "the name of a DynamoDB table")
    config: str | None = matching(None, _TABLE, "the name of a DynamoDB table")
    metrics: str | None = matching(None, _TABLE, "the name of a DynamoDB table")
    archive: str | None = matching(None, _BUCKET, "the name of an S3 bucket")
    models: str | None = matching(None, _BUCKET, "the name of an S3 bucket")
    agentcore_memory: str | None = matching(None, _MEMORY, "the id of an AgentCore memory")
    keep_days: int = bounded(30, 1, 3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """ONNX Runtime in this process: `queue` is how many calls may wait for the one owner thread. For devices that decide
    themselves: the key that signs their bundles (without one there are none), how long a bundle holds, and the file
    that lists the models they may fetch."""

    threads: int = bounded(1, 1, 64)
    queue: int = bounded(64, 1, 10_000)
    signing_key: SecretRef | None = None
    bundle_ttl_s: float = bounded(3600.0, 1.0, 30 * 86_400.0)
    catalogue: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingSettings:
    """Where traces go: the traces URL of an OTLP receiver over HTTP; unset means that nothing is traced. `sample` is
    the share of requests to trace when the sender did not decide."""

    otlp: str | None = matching(None, r"https?://[!-~]{1,500}", "an http(s) URL")
    sample: float = bounded(1.0, 0.0, 1.0)
    service: str = matching("tierwise", _ID, "letters, digits and . _ -")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings:
    """AWS services that are asked about requests, by the region to ask them in; a region that is not given is a service
    that is not asked. `budget_ms` is what they may cost one request. `cloudwatch`: SageMaker and Bedrock targets without
    dimensions of their own are watched there, too."""

    comprehend: str | None = matching(None, _AWS_REGION, "an AWS region")
    textract: str | None = matching(None, _AWS_REGION, "an AWS region")
    budget_ms: float = bounded(300.0, 10.0, 5000.0)
    cloudwatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """A target whose model comes and goes: by the desired count of an ECS `service`, or as an `adapter`, the folder of a
    LoRA adapter on its node. `requests_per_min` is what one node takes."""

    target: str = matching("", _NAME, "the name of a target")
    service: str | None = matching(None, r"[A-Za-z0-9_-]{1,255}", "the name of an ECS service")
    adapter: str | None = matching(None, r"/[A-Za-z0-9._/-]{1,500}", "a folder on the node")
    min: int = bounded(0, 0, 1000)
    max: int = bounded(1, 1, 1000)
    requests_per_min: float = bounded(60.0, 0.1, 1_000_000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesSettings:
    """Models on edge nodes that this gateway deploys, scales and retires. `idle_s`: how long nobody asks before a model
    goes down to its `min`; `cooldown_s`: how long after a change the next may come; `every_s`: how often it is looked at."""

    cluster: str | None = matching(None, r"[A-Za-z0-9_-]{1,255}", "the name of an ECS cluster")
    region: str | None = matching(None, _AWS_REGION, "an AWS region")
    every_s: float = bounded(15.0, 0.05, 60.0)
    idle_s: float = bounded(900.0, 1.0, 86_400.0)
    cooldown_s: float = bounded(300.0, 0.0, 86_400.0)
    models: tuple[NodeSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliberationSettings:
    """Where the models are that agents ask: Nova at Bedrock, in `region` (or AWS_REGION). Without a region nobody is asked.
    The models are named as Bedrock knows them, inference profiles included."""

    region: str | None = matching(None, _AWS_REGION, "an AWS region")
    endpoint_url: str | None = matching(None, r"https?://[!-~]{1,500}", "an http(s) URL")
    micro: str = matching("amazon.nova-micro-v1:0", _MODEL_ID, "the id of a model at Bedrock")
    lite: str = matching("amazon.nova-lite-v1:0", _MODEL_ID, "the id of a model at Bedrock")
    pro: str = matching("amazon.nova-pro-v1:0", _MODEL_ID, "the id of a model at Bedrock")
    streams: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Own versions of the dated data files; None is the packaged one."""

    models: Path | None = None
    regions: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything. `source` says which file it was read from, None when there is none."""

    server: ServerSettings = ServerSettings()
    targets: tuple[TargetSettings, ...] = ()
    keys: tuple[KeySettings, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    policy: PolicySettings = PolicySettings()
    events: EventSettings = EventSettings()
    cache: CacheSettings = CacheSettings()
    redis: RedisSettings = RedisSettings()
    stores: StoreSettings = StoreSettings()
    device: DeviceSettings = DeviceSettings()
    tracing: TracingSettings = TracingSettings()
    signals: SignalSettings = SignalSettings()
    nodes: NodesSettings = NodesSettings()
    deliberation: DeliberationSettings = DeliberationSettings()
    mcp: McpSettings = field(default_factory=McpSettings)
    guards: tuple[GuardSettings, ...] = ()
    jobs: JobSettings = field(default_factory=JobSettings)
    batches: BatchSettings = field(default_factory=BatchSettings)
    providers: tuple[ProviderSettings, ...] = ()
    data: DataSettings = DataSettings()
    learning: LearningSettings = field(default_factory=LearningSettings)
    source: Path | None = field(default=None, metadata={"internal": True})
