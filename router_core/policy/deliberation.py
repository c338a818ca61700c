"""The policy's word on thinking twice: which agents may ask a model, for which requests, for how long and how much.

Everything is off until an operator turns it on: a model that is asked about a request sees a part of it, and costs money.
"""

from __future__ import annotations

from typing import Final

from router_core.record import dataclass

OFF, GATED, SAMPLED, ALWAYS = "off", "gated", "sampled", "always"
MODES: Final = (OFF, GATED, SAMPLED, ALWAYS)
AGENTS: Final = ("context", "resource", "router", "cache", "monitor", "safety")
ON_THE_PATH: Final = ("safety", "context", "router")
"""Those whose models are asked about a request while it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliberates:
    """When one agent asks its model: a mode for each class of request. `gated` asks where it is worth its price
    and of a share `sample_rate`, `sampled` of that share alone. After `budget_ms` the fast answer stands."""

    simple: str = OFF
    complex: str = OFF
    critical: str = OFF
    batch: str = OFF
    budget_ms: float = 800.0
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
