"""What the admin paths ask about the policy; a host that has a log and a policy of its own answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from router_core.policy.document import Policy
from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Who wants the canary promoted, why, by which evidence, and whether whatever that says."""

    by: str
    why: str
    force: bool
    since_s: float
    tolerance: float


class Desk(Protocol):
    """One question at a time: `busy` while another is being answered."""

    @property
    def busy(self) -> bool: ...

    async def simulate(
        self, new: Policy, old: Policy | None, *, since_s: float, tolerance: float
    ) -> Mapping[str, Any]: ...

    async def promote(self, wish: Promotion) -> Mapping[str, Any]: ...
