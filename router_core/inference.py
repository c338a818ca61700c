"""What goes in and what comes out: the request as the caller meant it, and the answer as the caller reads it.

The host validates the wire body once and builds these; nothing below a host parses JSON again.
Chat messages keep the OpenAI chat form (`{"role": ..., "content": ...}`), because every tier's
protocol is a translation of it and a second shape would only cost a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, Literal

from router_core.decision import RoutingDecision
from router_core.execution import Attempt, Chunk, Handoff, Output, Served, Usage
from router_core.record import dataclass

Message = Mapping[str, Any]
"""One chat message in OpenAI's form; `content` is a string, a list of parts, or None beside tool calls."""

Task = Literal["chat", "command", "classify", "extract", "summarize", "embed"]
TASKS: Final = ("chat", "command", "classify", "extract", "summarize", "embed")
Optimize = Literal["balanced", "latency", "cost", "quality", "privacy", "energy"]
OBJECTIVES: Final = ("balanced", "latency", "cost", "quality", "privacy", "energy")
TIERS: Final = ("device", "mec", "cloud")
PRIVACY_LEVELS: Final = ("public", "internal", "confidential", "restricted")
COMPLIANCES: Final = ("GDPR", "HIPAA", "PCI")
DEVICE_CLASSES: Final = ("phone", "tablet", "wearable", "vehicle", "gateway", "sensor", "server")
THERMALS: Final = ("nominal", "fair", "serious", "critical")
NETWORKS: Final = ("ethernet", "wifi", "5g", "4g", "3g", "offline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """Sampling and shape of the answer. `extra` holds OpenAI parameters passed on as given."""

    max_tokens: int | None = None
    temperature: float | None = None
    response_format: Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many choices the caller asked for."""
        count = self.extra.get("n")
        return count if isinstance(count, int) else 1

    @property
    def wants_json(self) -> bool:
        return self.response_format is not None and self.response_format.get("type") != "text"

    @property
    def continuable(self) -> bool:
        """Plain text, one choice: another model can go on from the accepted text."""
        return not (self.tools or self.wants_json or self.extra.get("logprobs") or self.n != 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What the caller wants. `fallback` None means: yes, unless a target is pinned."""

    optimize: Optimize = "balanced"
    max_latency_ms: float | None = None
    max_cost_usd: float | None = None
    min_quality: float | None = None
    tiers: tuple[str, ...] = TIERS
    target: str | None = None
    fallback: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The caller's device as it reports itself; None means unknown."""

    id: str | None = None
    device_class: str | None = None
    models: tuple[str, ...] = ()
    battery: float | None = None
    charging: bool | None = None
    thermal: str | None = None
    memory_free_mb: float | None = None
    cpu_load: float | None = None
    executes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The caller's network as it reports it; None means unknown."""

    type: str | None = None
    rtt_ms: float | None = None
    bandwidth_mbps: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    region: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    level: str = "internal"
    residency: str | None = None
    compliance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, as authentication established it; never read from the body."""

    tenant: str
    key_id: str
    role: str = "user"
    tiers: tuple[str, ...] = TIERS


DEFAULT_PARAMS: Final = Params()
DEFAULT_PREFERENCES: Final = Preferences()
DEFAULT_DEVICE: Final = Device()
DEFAULT_NETWORK: Final = Network()
DEFAULT_LOCATION: Final = Location()
DEFAULT_PRIVACY: Final = Privacy()


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    """One validated request. `received_s` is wall time in seconds since the epoch."""

    request_id: str
    received_s: float
    caller: Caller
    messages: tuple[Message, ...]
    task: str | None = None
    stream: bool = False
    params: Params = DEFAULT_PARAMS
    preferences: Preferences = DEFAULT_PREFERENCES
    device: Device = DEFAULT_DEVICE
    network: Network = DEFAULT_NETWORK
    location: Location = DEFAULT_LOCATION
    privacy: Privacy = DEFAULT_PRIVACY
    session_id: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    cache_allowed: bool = True
    asynchronous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds spent in each stage; `total_ms` is from receipt to answer."""

    context_ms: float = 0.0
    resource_ms: float = 0.0
    decision_ms: float = 0.0
    execution_ms: float = 0.0
    total_ms: float = 0.0

    @property
    def overhead_ms(self) -> float:
        """What the router itself added."""
        return max(0.0, self.total_ms - self.execution_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a device that executes for itself is told to run."""

    model: str
    params: Mapping[str, Any]
    deadline_ms: float
    fallback: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceResponse:
    """The answer. `status` completed | execute_on_device | queued | failed; costs in USD, energy in joules.
    `restricted`: the request counted as restricted, declared or by what was found in it."""

    request_id: str
    status: str
    stage: str
    output: Output | None
    usage: Usage
    decision: RoutingDecision
    served: Served
    attempts: tuple[Attempt, ...]
    timings: Timings
    cost_usd: float
    energy_j: float
    cache: str
    handoff: Handoff | None = None
    plan: Plan | None = None
    restricted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """Texts to turn into vectors. Embeddings never fall back to another model: vectors of two models do not mix."""

    request_id: str
    received_s: float
    caller: Caller
    inputs: tuple[str, ...]
    dimensions: int | None = None
    preferences: Preferences = DEFAULT_PREFERENCES
    device: Device = DEFAULT_DEVICE
    network: Network = DEFAULT_NETWORK
    location: Location = DEFAULT_LOCATION
    privacy: Privacy = DEFAULT_PRIVACY
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """First event of a stream: sent when the first chunk is there, so that before it a fallback is invisible
    and a failure can still be an HTTP status."""

    decision: RoutingDecision
    served: Served
    cache: str


StreamEvent = Opened | Chunk | Handoff | InferenceResponse
"""A stream is: Opened, then Chunks and at most a few Handoffs, then one InferenceResponse (its `output` holds the
whole text). A failure after Opened is raised as a TierwiseError from the generator."""
