"""Which of the policy's rules fire on what is known of a request without asking anybody: pure, and the same on every host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from router_core.context import RequestContext
from router_core.errors import GuardBlockedError
from router_core.inference import TIERS
from router_core.policy.guarding import (
    BLOCK,
    FORCE,
    INJECTION,
    MASK,
    MODERATION,
    PII,
    REPORT,
    GuardPolicy,
    GuardRule,
)

REPORTED: Final = "reported"
BLOCKED, FORCED, MASKED = "blocked", "forced", "masked"
VERDICT: Final = {BLOCK: BLOCKED, FORCE: FORCED, MASK: MASKED}


def fired(context: RequestContext, guard: GuardPolicy) -> tuple[GuardRule, ...]:
    """The rules on the way in that fire by our own signals, in the policy's order."""
    if context.guard < guard.injection_at and not (context.pii and guard.on_pii):
        return ()
    return tuple(rule for rule in guard.rules if rule.reads_input and _fires(rule, context))


def _fires(rule: GuardRule, context: RequestContext) -> bool:
    if rule.on == INJECTION:
        matches = context.guard >= rule.at
    else:
        matches = rule.on == PII and any(map(rule.wants, context.pii))
    return matches and applies(rule, context)


def applies(rule: GuardRule, context: RequestContext) -> bool:
    """Whether the rule holds for such a request at all."""
    return rule.meets(context.tenant, context.request_class, context.privacy)


def moderating(context: RequestContext, guard: GuardPolicy, *, output: bool) -> tuple[GuardRule, ...]:
    """The rules that want a guard asked about this side of the request."""
    return tuple(
        rule
        for rule in guard.rules
        if rule.on == MODERATION
        and (rule.reads_output if output else rule.reads_input)
        and applies(rule, context)
    )


def refuse(rules: Iterable[GuardRule]) -> None:
    """Raises `GuardBlockedError` when one of these rules blocks."""
    names = tuple(rule.name for rule in rules if rule.action == BLOCK)
    if names:
        raise GuardBlockedError(f"refused by the guard's rule {', '.join(names)}", rules=names)


def marked(context: RequestContext, rules: tuple[GuardRule, ...]) -> RequestContext:
    """The context with the names of rules that fired, kept to the tiers that all of them allow. Tiers that exclude each
    other leave none, which is a refusal that names no target; the nearest tier stays then."""
    if not rules:
        return context
    names = dict.fromkeys((*context.guard_rules, *(rule.name for rule in rules)))
    tiers = tuple(context.guard_tiers) or TIERS
    for rule in rules:
        if rule.action == FORCE:
            tiers = tuple(tier for tier in tiers if tier in rule.tiers) or (min(tiers, key=TIERS.index),)
    kept = () if tiers == TIERS else tiers
    return replace(context, guard_rules=tuple(names), guard_tiers=kept)


def screened_here(context: RequestContext, guard: GuardPolicy) -> RequestContext:
    """What can be said without asking anybody, for a host that has nobody to ask. Raises `GuardBlockedError`. A mask has
    nothing to hide where the text stays on the caller's own device, and goes no further than the gateway, which masks."""
    found = fired(context, guard)
    refuse(found)
    return marked(context, found)


def needs_others(context: RequestContext, guard: GuardPolicy) -> bool:
    """Whether a host that has nobody to ask may not answer: a guard must have judged it, or values may have to be kept back."""
    for rule in guard.rules:
        if not applies(rule, context):
            continue
        if rule.on == MODERATION and guard.closed(rule, context.request_class):
            return True
        if rule.on == PII and rule.reads_output and rule.action != REPORT:
            return True
    return False
