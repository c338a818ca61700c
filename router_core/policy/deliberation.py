"""The policy's word on thinking twice: which agents may ask a model, for which requests, for how long and how much.

Everything is off until an operator turns it on: a model that is asked about a request sees a part of it, and costs money.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from router_core.errors import ConfigurationError
from router_core.record import dataclass

OFF, GATED, SAMPLED, ALWAYS = "off", "gated", "sampled", "always"
MODES: Final = (OFF, GATED, SAMPLED, ALWAYS)
AGENTS: Final = ("context", "resource", "router", "cache", "monitor", "safety")
ON_THE_PATH: Final = ("safety", "context", "router")
"""Those whose models are asked about a request while it waits."""
CLASSES: Final = ("simple", "complex", "critical", "batch")
MOST_TENANTS: Final = 32
_TENANT: Final = re.compile(r"[!-~]{1,96}")
TenantModes = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By tenant, agent and class: the mode instead of everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliberates:
    """When one agent asks its model: a mode for each class of request. `gated` asks where it is worth its price
    and of a share `sample_rate`, `sampled` of that share alone. After `budget_ms` the fast answer stands, for asynchronous
    requests after `async_budget_ms` where that is set."""

    simple: str = OFF
    complex: str = OFF
    critical: str = OFF
    batch: str = OFF
    budget_ms: float = 800.0
    async_budget_ms: float | None = None
    sample_rate: float = 0.01

    def mode(self, request_class: str) -> str:
        """off | gated | sampled | always."""
        named: str = getattr(self, request_class)
        return named

    @property
    def on(self) -> bool:
        """Whether any request may make this agent ask."""
        return any(mode != OFF for mode in (self.simple, self.complex, self.critical, self.batch))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliberationLimits:
    """What holds for all agents. Spending is per UTC day, in USD, for everybody and for one tenant. `deadline_share` is the
    part of the time that is left beside the expected answer which may go into thinking; an answer serves look-alike requests for
    `reuse_s`. The stakes are what a bad answer to a request of a class costs, in USD: the gate weighs them against the price."""

    usd_per_day: float = 1.0
    tenant_usd_per_day: float = 0.25
    deadline_share: float = 0.5
    reuse_s: float = 300.0
    stake_simple_usd: float = 0.001
    stake_complex_usd: float = 0.02
    stake_critical_usd: float = 0.05
    stake_batch_usd: float = 0.005

    def stake_usd(self, request_class: str) -> float:
        """What a bad answer to such a request costs."""
        stake: float = getattr(self, f"stake_{request_class}_usd")
        return stake


def tenant_modes(value: object) -> TenantModes:
    """The modes of single tenants, from a document. Raises `ConfigurationError` naming the key."""
    by_tenant = _table("deliberation_tenants", value, None)
    if len(by_tenant) > MOST_TENANTS:
        raise ConfigurationError(f"policy: deliberation_tenants names more than {MOST_TENANTS} tenants")
    if not all(_TENANT.fullmatch(tenant) for tenant in by_tenant):
        raise ConfigurationError("policy: deliberation_tenants must name tenants by at most 96 characters")
    return MappingProxyType({tenant: _agents(tenant, given) for tenant, given in by_tenant.items()})


def tenant_schema() -> dict[str, Any]:
    """The JSON schema of what `tenant_modes` reads."""

    def table(names: tuple[str, ...], item: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(names, item)}

    modes = table(CLASSES, {"enum": list(MODES)})
    return {
        "type": "object",
        "maxProperties": MOST_TENANTS,
        "additionalProperties": table(AGENTS, modes),
    }


def tenant_document(modes: TenantModes) -> dict[str, Any]:
    """The modes as the document has them; nothing where no tenant has its own."""
    spelled = {
        tenant: {agent: dict(own) for agent, own in agents.items()} for tenant, agents in modes.items()
    }
    return {"deliberation_tenants": spelled} if spelled else {}


def _agents(tenant: str, value: object) -> Mapping[str, Mapping[str, str]]:
    path = f"deliberation_tenants.{tenant}"
    return MappingProxyType(
        {agent: _modes(f"{path}.{agent}", own) for agent, own in _table(path, value, AGENTS).items()}
    )


def _modes(path: str, value: object) -> Mapping[str, str]:
    given = _table(path, value, CLASSES)
    for name, mode in given.items():
        if mode not in MODES:
            raise ConfigurationError(f"policy: {path}.{name} must be one of {', '.join(MODES)}")
    return MappingProxyType(dict(given))


def _table(path: str, value: object, names: tuple[str, ...] | None) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"policy: {path} must be an object")
    unknown = sorted(set(value) - set(names)) if names is not None else ()
    if unknown:
        raise ConfigurationError(f"policy: unknown key {path}.{unknown[0]}; one of {', '.join(names or ())}")
    return value
