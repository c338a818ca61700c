"""The policy's types: what an operator may turn, with safe defaults.

Every field here has an effect; a knob without one would be a promise that is not kept.
Weights need not add up to one; they are normalised when the policy is compiled for scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any, Final

from router_core.inference import COMPLIANCES, OBJECTIVES, TIERS
from router_core.policy.deliberation import AGENTS, OFF, Deliberates, DeliberationLimits, TenantModes
from router_core.policy.guarding import GuardPolicy
from router_core.policy.judging import Judging
from router_core.policy.proposals import Proposals
from router_core.policy.verification import Hedge, Verification
from router_core.record import dataclass
from router_core.signals.request_class import ClassRules

SCHEMA: Final = "tierwise.policy/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each score in [0, 1] counts for one objective."""

    quality: float = 0.0
    latency: float = 0.0
    cost: float = 0.0
    energy: float = 0.0
    privacy: float = 0.0
    load: float = 0.0
    affinity: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The value at which a score is one half: ref / (ref + value)."""

    latency_ms: float = 1000.0
    cost_usd: float = 0.0005
    energy_j: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPolicy:
    """What a request class changes: its objective when the caller asked for "balanced", and a default deadline."""

    optimize: str | None = None
    deadline_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPolicy:
    """Bounds of a tier. `max_privacy` holds for targets that set none of their own; "restricted" is never
    accepted for the cloud. Battery is a fraction, memory is what must stay free beside the model, in MB."""

    enabled: bool = True
    max_privacy: str = "internal"
    min_battery: float = 0.0
    max_thermal: str = "critical"
    max_cpu_load: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compliance:
    """What a compliance regime asks of a target: at least this privacy level, and a residency."""

    level: str = "public"
    residency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that no request passes. `stream_idle_ms` is the longest silence inside a stream."""

    deadline_ms: float = 60000.0
    stream_idle_ms: float = 15000.0
    max_cost_usd: float = 1.0
    max_output_tokens: int = 4096
    attempts: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where judgement turns: confidence bands, busy, stickiness (score margin within which a session stays
    where it was), and the confidence below which a device model says that it does not know."""

    confidence_high: float = 0.8
    confidence_low: float = 0.5
    saturation: float = 1.0
    stickiness: float = 0.03
    device_confidence: float = 0.7
    unknown_health: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Full-jitter back-off on one target: sleep uniform(0, min(cap, base * 2^n))."""

    attempts_per_target: int = 2
    base_ms: float = 40.0
    cap_ms: float = 1000.0
    max_retry_after_ms: float = 5000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Opens after `failures` in a row, or `error_rate` over at least `min_samples`; half-open after `open_ms`."""

    failures: int = 5
    error_rate: float = 0.5
    min_samples: int = 20
    open_ms: float = 5000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """Exact response cache: only answers at or below `max_temperature`, kept `ttl_s`."""

    enabled: bool = True
    ttl_s: float = 300.0
    max_temperature: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """Share of eligible requests that go to a random permitted target, with the propensity logged."""

    rate: float = 0.0
    classes: tuple[str, ...] = ("simple", "complex")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """The learned scorer: `share` is how far its chance for a tier takes the place of a target's declared quality in
    conversations, where it has no doubt. 0 leaves it unasked: its tiers are general models of about 8B, 70B and
    frontier size, and only who runs the targets knows whether theirs are."""

    share: float = 0.0


def _objectives() -> Mapping[str, Weights]:
    return MappingProxyType(
        {
            "balanced": Weights(quality=0.45, latency=0.2, cost=0.2, energy=0.05, load=0.05, affinity=0.05),
            "latency": Weights(quality=0.25, latency=0.6, cost=0.05, load=0.05, affinity=0.05),
            "cost": Weights(quality=0.3, latency=0.05, cost=0.6, affinity=0.05),
            "quality": Weights(quality=0.9, latency=0.04, cost=0.03, affinity=0.03),
            "privacy": Weights(quality=0.3, latency=0.05, cost=0.05, privacy=0.6),
            "energy": Weights(quality=0.3, latency=0.05, cost=0.05, energy=0.6),
        }
    )


def _tiers() -> Mapping[str, TierPolicy]:
    return MappingProxyType(
        {
            "device": TierPolicy(
                max_privacy="restricted", min_battery=0.15, max_thermal="fair", max_cpu_load=0.95
            ),
            "mec": TierPolicy(max_privacy="restricted"),
            "cloud": TierPolicy(max_privacy="internal"),
        }
    )


def _classes() -> Mapping[str, ClassPolicy]:
    return MappingProxyType(
        {
            "simple": ClassPolicy(),
            "complex": ClassPolicy(optimize="quality"),
            "critical": ClassPolicy(optimize="latency", deadline_ms=5000.0),
            "batch": ClassPolicy(optimize="cost", deadline_ms=300000.0),
        }
    )


def _compliance() -> Mapping[str, Compliance]:
    return MappingProxyType(
        {
            "GDPR": Compliance(residency="eu"),
            "HIPAA": Compliance(level="confidential"),
            "PCI": Compliance(level="confidential"),
        }
    )


def _deliberation() -> Mapping[str, Deliberates]:
    return MappingProxyType({agent: Deliberates() for agent in AGENTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of the policy. `label` names it in decisions, `sha256` covers its canonical text."""

    name: str = "default"
    version: int = 1
    objectives: Mapping[str, Weights] = field(default_factory=_objectives)
    references: References = References()
    classes: Mapping[str, ClassPolicy] = field(default_factory=_classes)
    class_rules: ClassRules = ClassRules()
    tiers: Mapping[str, TierPolicy] = field(default_factory=_tiers)
    compliance: Mapping[str, Compliance] = field(default_factory=_compliance)
    limits: Limits = Limits()
    thresholds: Thresholds = Thresholds()
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    cache: CachePolicy = CachePolicy()
    exploration: Exploration = Exploration()
    scorer: Scoring = Scoring()
    judging: Judging = Judging()
    deliberation: Mapping[str, Deliberates] = field(default_factory=_deliberation)
    deliberation_tenants: TenantModes = field(default_factory=lambda: MappingProxyType({}))
    deliberation_limits: DeliberationLimits = DeliberationLimits()
    proposals: Proposals = Proposals()
    guard: GuardPolicy = GuardPolicy()
    verification: Verification = Verification()
    hedge: Hedge = Hedge()
    raise_privacy_by_pii: bool = True
    sha256: str = ""

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"

    def deliberates(self, agent: str, tenant: str) -> Deliberates:
        """When this agent asks its model about a tenant's requests."""
        rules = self.deliberation[agent]
        modes: Mapping[str, Any] = self.deliberation_tenants.get(tenant, {}).get(agent, {})
        return replace(rules, **modes) if modes else rules

    def thinks(self, agents: tuple[str, ...] = AGENTS) -> bool:
        """Whether any of these agents may ask its model about any request."""
        return any(self.deliberation[agent].on for agent in agents) or any(
            mode != OFF
            for own in self.deliberation_tenants.values()
            for agent in agents
            for mode in own.get(agent, {}).values()
        )


KEYED_SECTIONS: Final[Mapping[str, tuple[type, tuple[str, ...]]]] = {
    "objectives": (Weights, OBJECTIVES),
    "classes": (ClassPolicy, ("simple", "complex", "critical", "batch")),
    "tiers": (TierPolicy, TIERS),
    "compliance": (Compliance, COMPLIANCES),
    "deliberation": (Deliberates, AGENTS),
}
SECTIONS: Final[Mapping[str, type]] = {
    "references": References,
    "class_rules": ClassRules,
    "limits": Limits,
    "thresholds": Thresholds,
    "retry": Retry,
    "breaker": Breaker,
    "cache": CachePolicy,
    "exploration": Exploration,
    "scorer": Scoring,
    "judging": Judging,
    "deliberation_limits": DeliberationLimits,
    "hedge": Hedge,
    "verification": Verification,
    "proposals": Proposals,
}
