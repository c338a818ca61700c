"""Whether asking a model is worth its price for one decision: pure arithmetic over what is known before asking.

Asking changes a choice now and then, and a changed choice has brought so much quality: both are measured by class and by how
much the fast choice was in doubt, which falls as its lead grows. What that quality is worth is the stake of the class, raised
by the decision's risk. Where a model has made things worse the worth is negative, and nobody asks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.policy.deliberation import ALWAYS, GATED, SAMPLED, Deliberates
from router_core.policy.document import Policy
from router_core.routing.decide import CLEAR_MARGIN
from router_core.signals.fingerprint import stable_fraction

RISK: Final[Mapping[str, float]] = {"low": 0.5, "medium": 1.0, "high": 2.0}
"""How much a decision's risk raises the stake of its class."""
USEFUL_S: Final = 0.05
"""Less time than this is not worth a call."""


def doubt(decision: RoutingDecision) -> float:
    """The chance that another permitted target would have been better: one half at a tie, none at a clear lead."""
    best = sorted(decision.scores.values(), reverse=True)[:2]
    lead = best[0] - best[1] if len(best) > 1 else CLEAR_MARGIN
    return 0.5 * (1.0 - min(1.0, max(0.0, lead) / CLEAR_MARGIN))


def worth_usd(decision: RoutingDecision, policy: Policy, gain: float) -> float:
    """What asking is expected to be worth, before its price: `gain` is the quality that a question has brought."""
    stake = policy.deliberation_limits.stake_usd(decision.request_class)
    return gain * stake * RISK[decision.risk]


def promised(fast: RoutingDecision, made: RoutingDecision, policy: Policy) -> float:
    """The quality at which a changed choice is worth as much as the fast one: its promise, and what the change costs."""
    dearer = made.prediction.cost_usd - fast.prediction.cost_usd
    return fast.prediction.quality + dearer / max(
        policy.deliberation_limits.stake_usd(fast.request_class), 1e-9
    )


def drawn(rules: Deliberates, agent: str, request_id: str) -> bool:
    """Whether the request is in the sample; a hash of its id, so that a repeated stage draws the same."""
    return stable_fraction(f"deliberate:{agent}:{request_id}") < rules.sample_rate


def asks(mode: str, *, sampled: bool, worth: float, price: float) -> bool:
    """The mode's verdict. What is gated is sampled as well, or a model that was once given up could never prove itself."""
    return mode == ALWAYS or (mode in (SAMPLED, GATED) and sampled) or (mode == GATED and worth > price)


def deadline_ms(context: RequestContext, policy: Policy) -> float:
    """What the caller, else the class, else the policy allows for the whole answer."""
    own = policy.classes[context.request_class].deadline_ms
    return min(
        context.max_latency_ms or policy.limits.deadline_ms,
        own or policy.limits.deadline_ms,
        policy.limits.deadline_ms,
    )


def budget_s(
    context: RequestContext, decision: RoutingDecision, policy: Policy, rules: Deliberates, spent_s: float
) -> float:
    """Seconds that thinking may take now: the agent's budget, and no more than a share of what is left of the deadline
    once the fast answer's expected time is set aside."""
    left = (deadline_ms(context, policy) - decision.prediction.latency_ms) / 1000.0 - spent_s
    return min(rules.budget_ms / 1000.0, left * policy.deliberation_limits.deadline_share)
