"""Ends a canary that does harm, as an operator would: its share becomes 0, and the record says that Tierwise did it and why.

Only Parameter Store has canaries. The gateway needs `ssm:PutParameter` on the rollout parameter for it; without that right
its own sessions still leave the canary, and the log says that nothing could be recorded.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from agents.canary import CanaryGuard, End
from gateway.composition.policy import policy_store
from gateway.settings.schema import PolicySettings
from router_core.deployment import CANARY
from router_core.learning.canary_test import Harm
from router_core.policy.parse import parse
from router_core.policy.rollout import MAX_WORDS, Change, Rollout, parse_shift
from router_core.ports import EventSink, PolicySource, StateStore

if TYPE_CHECKING:
    from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore

BY: Final = "tierwise"


def canary_guard(
    settings: PolicySettings, policy: PolicySource, events: EventSink, shared: StateStore | None
) -> CanaryGuard:
    """The guard in front of the policy's source and the records."""
    return CanaryGuard(policy, events, shared, None if settings.ssm is None else _end_in(settings.ssm))


def end_canary(store: SsmPolicyStore, now: Rollout, found: Harm) -> bool:
    """Set the share to 0, unless somebody already did or another canary runs by now; whether it was done. Blocks. Raises
    `StoreError`, and `ConfigurationError` where what is there cannot be used."""
    stored = store.shift()
    shift = None if stored is None else parse_shift(stored.text)
    if shift is None or shift.share <= 0.0 or now.canary is None:
        return False
    tried = store.document(CANARY)
    if tried is None or parse(tried.text).sha256 != now.canary.sha256:
        return False
    change = Change(
        action="rollback",
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        by=BY,
        why=found.why[:MAX_WORDS],
        before=now.canary.label,
        after=now.stable.label,
    )
    store.put_shift(replace(shift, share=0.0, ramp=False, change=change).as_text())
    return True


def _end_in(parameter: str) -> End:
    async def end(now: Rollout, found: Harm) -> None:
        # A client of its own, made when it is needed: hardly any gateway ever does.
        store = await asyncio.to_thread(policy_store, parameter)
        await asyncio.to_thread(end_canary, store, now, found)

    return end
