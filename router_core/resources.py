"""What can serve: targets as configured, their state as last seen, and the snapshot that decisions read.

A `ResourceState` is swapped whole by the resource agent, off the request path. Its hash names it in events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from hashlib import sha256
from typing import Any, Final, Literal

from router_core.record import dataclass

Health = Literal["up", "down", "unknown", "draining"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """One target as settings and the dated model data describe it.

    Prices are USD per million tokens, energy is joules per output token (plus `energy_request_j` once),
    `prefill_ms` and `decode_ms` are milliseconds per token, `quality` the prior chance of a good answer by task,
    `many_choices` whether it
    gives several answers at once (n > 1), `dimensions` the lengths of vectors it offers (none named: any),
    `capability` the complexity in [0, 1] up to which that prior holds, `groups` the residency groups its region is in
    by the dated region table ("*" = wherever the caller is, for what runs with the caller).
    """

    name: str
    tier: str
    kind: str
    model: str
    tasks: tuple[str, ...] = ("chat", "command", "classify", "extract", "summarize")
    modalities: tuple[str, ...] = ("text",)
    tools: bool = True
    json_output: bool = True
    logprobs: bool = True
    many_choices: bool = True
    dimensions: tuple[int, ...] = ()
    continues: bool = False
    context_tokens: int = 8192
    max_output_tokens: int = 4096
    price_in: float = 0.0
    price_out: float = 0.0
    region: str | None = None
    groups: tuple[str, ...] = ()
    lat: float | None = None
    lon: float | None = None
    max_privacy: str | None = None
    timeout_s: float = 60.0
    max_concurrency: int = 32
    memory_mb: float = 0.0
    ttft_ms: float = 200.0
    prefill_ms: float = 0.05
    decode_ms: float = 15.0
    rtt_ms: float = 1.0
    energy_request_j: float = 0.0
    energy_token_j: float = 0.5
    quality: Mapping[str, float] = field(default_factory=dict)
    quality_default: float = 0.6
    capability: float = 0.5
    emulated: bool = False

    def cost_usd(self, prompt_tokens: int, output_tokens: int) -> float:
        """Price of so many tokens, USD."""
        return (self.price_in * prompt_tokens + self.price_out * output_tokens) / 1e6

    def energy_j(self, output_tokens: int) -> float:
        """Estimated energy of an answer, joules."""
        return self.energy_request_j + self.energy_token_j * output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """A target as last observed. None means not observed yet: the spec's prior counts. `quality_fit` are what judgements say
    of its quality beside `quality_delta`, by feature (`router_core.learning.online`); empty while they say nothing. `doubt` in
    [0, 1] says how far it is suspected of not being what it was (`router_core.learning.drift`).
    `saturation` >= 1 means busy; `queue_ms` expected wait; `retry_after_s` how long it asked to be left alone."""

    health: Health = "unknown"
    breaker: str = "closed"
    queue_ms: float = 0.0
    saturation: float = 0.0
    running: int = 0
    waiting: int = 0
    kv_usage: float = 0.0
    prefix_hit_rate: float = 0.0
    ttft_ms: float | None = None
    decode_ms: float | None = None
    rtt_ms: float | None = None
    error_rate: float = 0.0
    quality_delta: float = 0.0
    quality_fit: tuple[float, ...] = ()
    doubt: float = 0.0
    throttled: bool = False
    residency: str = "hot"


UNSEEN: Final = TargetState()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    spec: TargetSpec
    state: TargetState = UNSEEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceState:
    """All targets at one moment, ordered by name. `sha256` covers everything a decision may read."""

    targets: tuple[Target, ...]
    sha256: str

    @classmethod
    def of(cls, targets: tuple[Target, ...]) -> ResourceState:
        ordered = tuple(sorted(targets, key=lambda target: target.spec.name))
        return cls(targets=ordered, sha256=_digest(ordered))

    def as_record(self) -> dict[str, Any]:
        """JSON form, stored once per hash."""
        return {"sha256": self.sha256, "targets": [_plain(target) for target in self.targets]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ResourceState:
        """Read back `as_record()`; the hash is recomputed, so a changed record is noticed by the caller."""
        return cls.of(tuple(_target(item) for item in record["targets"]))


def _target(item: Mapping[str, Any]) -> Target:
    spec: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in item["spec"].items()}
    state: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in item["state"].items()}
    return Target(spec=TargetSpec(**spec), state=TargetState(**state))


def _plain(target: Target) -> dict[str, Any]:
    """As JSON. What says nothing is left out where it came to the state later, so that older snapshots keep their names."""
    plain = asdict(target)
    if not target.state.quality_fit:
        del plain["state"]["quality_fit"]
    if not target.state.doubt:
        del plain["state"]["doubt"]
    return plain


def _digest(targets: tuple[Target, ...]) -> str:
    body = json.dumps([_plain(target) for target in targets], sort_keys=True, separators=(",", ":"))
    return sha256(body.encode()).hexdigest()
