"""Where a proposal is made and decided on: by agents in the background, by agents outside, by a person.

Whoever proposes, the same limits hold, the same simulation speaks, and nothing is in force before a person accepts it, or
before the policy's own rules allow a canary for what was shown to be better. A canary is pushed as an operator would push
one, so the guard that ends a harmful canary watches this one, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from agents.proposals.book import ProposalBook
from agents.proposals.permitted import Wish, changed, check, moved_between
from agents.proposals.proposal import MAX_WORDS, Proposal, bounded
from router_core.errors import ConflictError, ForbiddenError, RequestError, StoreError, TierwiseError
from router_core.policy.document import Policy
from router_core.policy.parse import to_document
from router_core.policy.proposals import BETTER, CANARY, OFF
from router_core.policy.rollout import Rollout
from router_core.ports import Clock, EventSink
from router_core.record import dataclass

SCHEMA: Final = 1
TIERWISE: Final = "tierwise"
Simulate = Callable[[Policy, Policy], Awaitable[Mapping[str, Any]]]
"""The report on putting the first policy in place of the second. Raises `StoreError` where there is none."""
Push = Callable[[Proposal, Policy, float, str], Awaitable[None]]
"""Has the policy tried on a share of the sessions, as somebody's change. Raises `TierwiseError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What a desk acts through. `push` None: policies are files here, and an accepted one is put in place by hand."""

    rollout: Callable[[], Rollout]
    simulate: Simulate
    events: EventSink
    clock: Clock
    push: Push | None = None


class ProposalDesk:
    """One per process; what it keeps is in the book."""

    def __init__(self, book: ProposalBook, ways: Ways) -> None:
        self.book, self.ways = book, ways

    async def propose(self, wishes: Sequence[Wish], why: str, by: str) -> Proposal:
        """A change that somebody outside wants: checked, simulated, and kept for a person. Never put in force from here.
        Raises `RequestError` for what may not be proposed."""
        now = self._open()
        new = changed(now.stable, wishes)
        evidence: Mapping[str, Any] | None = None
        with suppress(StoreError):  # a person may decide without; the list says that nothing was simulated
            evidence = await self.ways.simulate(new, now.stable)
        proposal = self.drafted(new, now.stable, by=by, why=why, evidence=evidence)
        await self.keep(proposal)
        return proposal

    def drafted(
        self, new: Policy, old: Policy, *, by: str, why: str, evidence: Mapping[str, Any] | None
    ) -> Proposal:
        """The proposal to replace `old` by `new`. Raises `RequestError` for one that is not permitted."""
        check(new, old)
        return Proposal(
            id=f"prop_{secrets.token_hex(8)}",
            created_s=self.ways.clock.now_s(),
            by=by[:MAX_WORDS],
            why=_words(why),
            base=old.label,
            base_sha256=old.sha256,
            moved=moved_between(new, old),
            document=to_document(new),
            evidence=None if evidence is None else bounded(evidence),
        )

    async def keep(self, proposal: Proposal) -> None:
        """Store it, and leave a record."""
        await self.book.add(proposal)
        self._record(proposal)

    async def accept(self, name: str, by: str, why: str) -> Proposal:
        """A person wants it: as a canary where policies can be pushed, else as a document to put in place. Raises
        `ConflictError` for one that is decided on, or whose base is not in force any more."""
        new = await self._applicable(name)
        taken = await self.book.change(name, lambda one: self._decided(one, "accepted", by, why))
        if self.ways.push is not None:
            taken = await self._pushed(taken, new, by)
        self._record(taken)
        return taken

    async def reject(self, name: str, by: str, why: str) -> Proposal:
        """A person does not want it. Raises `ConflictError` for one that is decided on."""
        taken = await self.book.change(name, lambda one: self._decided(one, "rejected", by, why))
        self._record(taken)
        return taken

    async def try_out(self, proposal: Proposal) -> bool:
        """Start a canary without a person, where the policy allows it for what past requests say."""
        rules = self.ways.rollout().stable.proposals
        if rules.mode != CANARY or not proposal.may_be_tried(rules.canary_at) or self.ways.push is None:
            return False
        shown = "shown to be better" if proposal.verdict == BETTER else "not shown to be worse"
        await self.accept(proposal.id, TIERWISE, f"{shown}: {proposal.why}"[:MAX_WORDS])
        return True

    async def _applicable(self, name: str) -> Policy:
        now, proposal = self._open(), await self.book.get(name)
        if proposal.base_sha256 != now.stable.sha256:
            raise ConflictError(
                f"{proposal.base} is not in force any more: the evidence speaks of another policy"
            )
        new = proposal.policy()
        check(new, now.stable)  # what was stored may not be what was checked
        return new

    async def _pushed(self, taken: Proposal, new: Policy, by: str) -> Proposal:
        assert self.ways.push is not None, "the caller knows"  # noqa: S101 - an invariant
        share = self.ways.rollout().stable.proposals.share
        try:
            await self.ways.push(taken, new, share, by)
        except TierwiseError:
            # It waits again: nothing is in force, and whoever may push can still accept it.
            await self.book.change(
                taken.id,
                lambda one: replace(one, state="waiting", decided_by=None, decided_s=None, reason=None),
            )
            raise
        return await self.book.change(taken.id, lambda one: replace(one, state="canary"))

    def _open(self) -> Rollout:
        now = self.ways.rollout()
        if now.stable.proposals.mode == OFF:
            raise ForbiddenError("the policy in force takes no proposals (proposals.mode is off)")
        if now.canary is not None:
            raise ConflictError("a canary runs: promote it or roll it back first")
        return now

    def _decided(self, one: Proposal, state: Any, by: str, why: str) -> Proposal:
        if one.state != "waiting":
            raise ConflictError(f"this proposal is {one.state} already")
        return replace(
            one,
            state=state,
            decided_by=by[:MAX_WORDS],
            decided_s=self.ways.clock.now_s(),
            reason=_words(why),
        )

    def _record(self, proposal: Proposal) -> None:
        told = proposal.summary()
        self.ways.events.emit(
            {
                "kind": "proposal",
                "schema": SCHEMA,
                "time": self.ways.clock.now_s(),
                **{name: told[name] for name in told if name != "created"},
                "base_sha256": proposal.base_sha256,
            }
        )


def _words(text: str) -> str:
    """One line, bounded; raises `RequestError` for none."""
    words = " ".join(text.split())
    if not words or len(words) > MAX_WORDS:
        raise RequestError(f"why must be a text of at most {MAX_WORDS} characters")
    return words
