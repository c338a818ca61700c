"""An operator's word on the policy through a running gateway: what the log says of a document, and the canary's promotion.

The same evidence and the same refusal as `tierwise policy simulate` and `promote`: a canary that is not shown to be better stays
a canary, unless the operator forces it with a reason, which is then part of the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.composition.learning.simulating import Simulate, simulation
from gateway.http.policies.desk import Promotion
from gateway.settings.schema import Settings
from router_core.errors import ConflictError
from router_core.policy.document import Policy
from router_core.policy.parse import parse
from router_core.policy.rollout import Rollout

if TYPE_CHECKING:
    from gateway.cli.policy.changes import Standing
    from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore
    from router_core.learning.off_policy.verdict import Verdict


class PolicyDesk:
    """`PolicyChanges` of the HTTP side, over the event log's folder and Parameter Store."""

    def __init__(self, settings: Settings, rollout: Callable[[], Rollout]) -> None:
        self._parameter, self._rollout = settings.policy.ssm, rollout
        self._simulate: Simulate = simulation(settings.events.dir)
        self._turn = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether somebody else's question is being answered."""
        return self._turn.locked()

    async def simulate(
        self, new: Policy, old: Policy | None, *, since_s: float, tolerance: float
    ) -> Mapping[str, Any]:
        """The report on `new` in place of `old`, or of the policy in force. Raises `StoreError`."""
        async with self._turn:
            before = old or self._rollout().stable
            return await self._simulate(new, before, since_s=since_s, tolerance=tolerance)

    async def promote(self, wish: Promotion) -> Mapping[str, Any]:
        """The canary becomes stable, where the evidence speaks for it. Raises `ConflictError`, `TierwiseError`."""
        if self._parameter is None:
            raise ConflictError("the policy comes from a file: there is no canary to promote")
        from gateway.cli.policy.changes import standing
        from gateway.composition.policy import policy_store
        from router_core.deployment import CANARY

        store = await asyncio.to_thread(policy_store, self._parameter)
        seen = await asyncio.to_thread(standing, store)
        canary, stable = seen.labelled(CANARY), seen.in_force
        if canary is None or stable is None:
            raise ConflictError("no canary runs")
        report = await self.simulate(
            parse(canary.text), parse(stable.text), since_s=wish.since_s, tolerance=wish.tolerance
        )
        return await asyncio.to_thread(_promoted, store, seen, wish, _verdict(report))


def _verdict(report: Mapping[str, Any]) -> Verdict:
    from gateway.cli.policy.changes import UNWEIGHED
    from router_core.learning.off_policy.verdict import Verdict

    if not report["overall"]["decisions"]:
        return Verdict(word=UNWEIGHED, why="no decision of that time is on record here; nothing was weighed")
    return Verdict(word=report["verdict"], why=report["why"])


def _promoted(store: SsmPolicyStore, seen: Standing, wish: Promotion, proof: Verdict) -> Mapping[str, Any]:
    from gateway.cli.policy.changes import UNWEIGHED, Author, NotProvenError, PolicyChanges

    if proof.word == UNWEIGHED and not wish.force:
        # A gateway has a log of its own: that it holds nothing is no reason to pass.
        raise ConflictError(f"{proof.word}: {proof.why}; force promotes all the same, and is recorded")
    try:
        change = PolicyChanges(store, seen, Author(by=wish.by, why=wish.why)).promote(proof, force=wish.force)
    except NotProvenError:
        raise ConflictError(
            f"{proof.word}: {proof.why}; force promotes all the same, and is recorded with the reason"
        ) from None
    return {
        "promoted": change.after, "before": change.before, "why": change.why, "by": change.by, "verdict": proof.word,
    }  # fmt: skip
