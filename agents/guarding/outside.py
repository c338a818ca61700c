"""Guards outside this process: whether one may be shown a text, and what it says of it in the time that it has.

A guard is shown content, so it obeys what targets obey: its tier and region must be permitted the request. The first of a
rule's guards that answers decides. One that keeps failing is left alone for a while, by the policy's breaker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from router_core.context import RequestContext
from router_core.errors import NotTakenError, StoreError, TargetError
from router_core.inference import PRIVACY_LEVELS
from router_core.policy.document import Policy
from router_core.policy.guarding import GuardRule
from router_core.ports import Clock, ContentGuard, GuardCall, GuardVerdict
from router_core.record import dataclass
from router_core.reliability import breaker
from router_core.reliability.breaker import CLOSED, BreakerState
from router_core.routing.constraints import RESTRICTED

CLOUD, DEVICE = "cloud", "device"
NOT_PERMITTED, DOWN, MISSING = "not_permitted", "down", "missing"
CLEAN: Final = GuardVerdict()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedGuard:
    """A guard and where it is: `groups` are the residency groups of its region ("*": wherever the caller is)."""

    guard: ContentGuard
    tier: str
    groups: tuple[str, ...] = ()
    max_privacy: str | None = None
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The configured guards by name."""

    placed: Mapping[str, PlacedGuard] = field(default_factory=dict)


NO_GUARDS: Final = Guards()


def may_see(context: RequestContext, policy: Policy, placed: PlacedGuard) -> bool:
    """Whether a target in the guard's place might be shown the request."""
    tier = policy.tiers[placed.tier]
    if placed.tier == CLOUD and context.privacy >= RESTRICTED:
        return False
    if context.privacy > PRIVACY_LEVELS.index(placed.max_privacy or tier.max_privacy):
        return False
    if not tier.enabled or placed.tier not in context.tiers:
        return False
    if context.guard_tiers and placed.tier not in context.guard_tiers:
        return False
    if context.offline and placed.tier != DEVICE:
        return False
    return "*" in placed.groups or all(group in placed.groups for group in context.residency)


class Asking:
    """One per process."""

    def __init__(self, guards: Guards, clock: Clock) -> None:
        self._guards, self.now = guards.placed, clock.monotonic_s
        self._breakers: dict[str, BreakerState] = {}

    async def judged(
        self, rule: GuardRule, call: GuardCall, context: RequestContext, policy: Policy
    ) -> GuardVerdict | str:
        """What the first guard of the rule says that may be asked and answers; else why none did."""
        if not call.text.strip():
            return CLEAN
        why = MISSING
        for name in rule.guards:
            placed = self._guards.get(name)
            if placed is None:
                continue
            if not may_see(context, policy, placed):
                why = why if why == DOWN else NOT_PERMITTED
                continue
            verdict = await self._ask(name, placed, call, policy)
            if verdict is not None:
                return verdict
            why = DOWN
        return why

    async def _ask(
        self, name: str, placed: PlacedGuard, call: GuardCall, policy: Policy
    ) -> GuardVerdict | None:
        rules = policy.breaker
        admitted = breaker.admit(self._breakers.get(name, CLOSED), rules, self.now())
        if admitted is None:
            return None
        self._breakers[name] = admitted
        verdict: GuardVerdict | None = None
        try:
            async with asyncio.timeout(placed.timeout_s):
                verdict = await placed.guard.judge(call)
        except NotTakenError:
            # It says nothing of the guard's health: no caller can have it left alone for everybody.
            after = breaker.abandoned(self._breakers[name])
        except (StoreError, TargetError, TimeoutError):
            after = breaker.failure(self._breakers[name], rules, self.now())
        except BaseException:
            self._breakers[name] = breaker.abandoned(self._breakers[name])
            raise
        else:
            after = breaker.success(self._breakers[name], rules, self.now())
        self._breakers[name] = after
        return verdict


def fires(rule: GuardRule, verdict: GuardVerdict) -> bool:
    """Whether what a guard said is what the rule is about. A guard that gives no scores means what it says."""
    if rule.categories:
        return any(score >= rule.at for name, score in verdict.categories.items() if name in rule.categories)
    return verdict.flagged or any(score >= rule.at for score in verdict.categories.values())
