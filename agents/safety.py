"""Safety agent: whether a request's content may go on, what of it is hidden, and where it may go at all.

Its fast path reads what the context agent has found, so a request that no rule concerns costs a comparison. Rules that fire on
our own signals come first: what they refuse is shown to nobody. Then personal data is masked and the request is read again,
so that everything after it, guards outside included, sees and judges what a target would be sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final

from agents.content import whole_text
from agents.guarding.masking import NO_MASK, Mask, Masking
from agents.guarding.outside import NO_GUARDS, Asking, Guards, fires
from agents.guarding.release import Release
from agents.guarding.rules import REPORTED, VERDICT, applies, fired, marked, moderating, refuse
from agents.guarding.verdicts import Verdicts
from agents.turn import Turn
from router_core.context import RequestContext
from router_core.errors import GuardBlockedError, GuardUnavailableError
from router_core.inference import InferenceRequest
from router_core.policy.document import Policy
from router_core.policy.guarding import INPUT, MASK, PII, GuardRule
from router_core.ports import Clock, GuardCall

Reread = Callable[[InferenceRequest], Awaitable[RequestContext]]
DOCUMENTS: Final = "documents"
"""A request whose images were replaced by their text: what it was masked from is no longer at hand afterwards."""


class SafetyAgent:
    """One per process."""

    def __init__(self, clock: Clock, guards: Guards = NO_GUARDS) -> None:
        self.verdicts = Verdicts()
        self._asking = Asking(guards, clock)

    def concerned(self, context: RequestContext, policy: Policy) -> bool:
        """Whether any rule may have a word on this request or its answer."""
        guard = policy.guard
        return (
            context.guard >= guard.injection_at
            or guard.asks
            or guard.reads_output
            or (guard.on_pii and bool(context.pii))
        )

    async def screen(
        self, request: InferenceRequest, context: RequestContext, policy: Policy, reread: Reread
    ) -> tuple[InferenceRequest, RequestContext]:
        """The request as it may go on, and its context. Raises `GuardBlockedError` or `GuardUnavailableError`."""
        try:
            return await self._screened(request, context, policy, reread)
        except (GuardBlockedError, GuardUnavailableError) as error:
            error.policy = policy.label
            raise

    def release(self, asked: InferenceRequest, turn: Turn) -> Release:
        """What the answer to `asked`, which became `turn`, has to pass on its way out."""
        return Release(
            asking=self._asking,
            verdicts=self.verdicts,
            turn=turn,
            mask=_mask_of(asked, turn) if turn.context.guard_rules else NO_MASK,
        )

    async def _screened(
        self, request: InferenceRequest, context: RequestContext, policy: Policy, reread: Reread
    ) -> tuple[InferenceRequest, RequestContext]:
        found = fired(context, policy.guard)
        self._count(found)
        refuse(found)
        if any(rule.action == MASK for rule in found):
            request, context = await self._masked(request, context, found, reread)
        context = marked(context, found)
        asked = moderating(context, policy.guard, output=False)
        if asked:
            context = marked(context, await self._moderated(request, context, policy, asked))
        if policy.guard.reads_output and context.executes and _output_ruled(context, policy):
            # What a device answers by itself nobody could judge.
            context = replace(context, executes=False)
        return request, context

    def _count(self, rules: Iterable[GuardRule]) -> None:
        for rule in rules:
            self.verdicts.add(rule.name, INPUT, VERDICT.get(rule.action, REPORTED))

    async def _masked(
        self,
        request: InferenceRequest,
        context: RequestContext,
        found: tuple[GuardRule, ...],
        reread: Reread,
    ) -> tuple[InferenceRequest, RequestContext]:
        """The masked request, read again. What still shows a kind that had to be hidden goes no further."""
        changed, _ = Masking(found).masked(request)
        again = await reread(changed)
        left = [rule for rule in found if rule.action == MASK and any(map(rule.wants, again.pii))]
        if left:
            names = tuple(rule.name for rule in left)
            raise GuardBlockedError(
                f"the guard's rule {', '.join(names)} could not hide all of it", rules=names
            )
        # Class and level may have changed what applies; the signs of an injection may not get lost on the way.
        guard = max(context.guard, again.guard)
        return changed, replace(again, guard=guard, guard_cues=context.guard_cues)

    async def _moderated(
        self, request: InferenceRequest, context: RequestContext, policy: Policy, rules: tuple[GuardRule, ...]
    ) -> tuple[GuardRule, ...]:
        """The rules that fire by what guards outside say. Raises where one refuses, or must answer and does not."""
        call, found = GuardCall(text=whole_text(request)), []
        for rule in rules:
            verdict = await self._asking.judged(rule, call, context, policy)
            if isinstance(verdict, str):
                self.verdicts.unjudged(
                    rule.name, INPUT, verdict, closed=policy.guard.closed(rule, context.request_class)
                )
            elif fires(rule, verdict):
                found.append(rule)
        self._count(found)
        refuse(found)
        return tuple(found)


def _output_ruled(context: RequestContext, policy: Policy) -> bool:
    return any(rule.reads_output and applies(rule, context) for rule in policy.guard.rules)


def _mask_of(asked: InferenceRequest, turn: Turn) -> Mask:
    """The mask that the request got, made again from what was asked: it is kept nowhere."""
    names = turn.context.guard_rules
    rules = [
        rule
        for rule in turn.table.policy.guard.rules
        if rule.action == MASK and rule.on == PII and rule.name in names
    ]
    if not rules or DOCUMENTS in turn.context.consulted:
        return NO_MASK
    return Masking(rules).masked(asked)[1]
