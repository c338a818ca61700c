"""Whether asking a model is worth its price for one decision: pure arithmetic over what is known before asking.

The quality that a question is expected to bring comes from `outlook` for a choice and from `track` for a reading; what quality is worth
is the stake of the class. A choice that may be wrong has that in its outlook; a reading is worth more the riskier the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agents.weighing import Weighing
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.policy.deliberation import ALWAYS, GATED, SAMPLED, Deliberates
from router_core.policy.document import Policy
from router_core.signals.fingerprint import stable_fraction

RISK: Final[Mapping[str, float]] = {"low": 0.5, "medium": 1.0, "high": 2.0}
"""How much a decision's risk raises the stake of its class."""
SPARE_S: Final = 0.02
"""Of the longest budget, kept for what we do ourselves: a request waits no longer, whoever of the agents is asked."""
USEFUL_S: Final = 0.05
"""Less time than this is not worth a call."""


def worth_usd(decision: RoutingDecision, policy: Policy, gain: float) -> float:
    """What reading a request again is expected to be worth, before its price: `gain` is the quality that it brings."""
    stake = policy.deliberation_limits.stake_usd(decision.request_class)
    return gain * stake * RISK[decision.risk]


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


def own_s(weighing: Weighing, rules: Deliberates) -> float:
    """Seconds that the policy gives the agent."""
    if weighing.request.asynchronous and rules.async_budget_ms is not None:
        return rules.async_budget_ms / 1000.0
    return rules.budget_ms / 1000.0


def budget_s(weighing: Weighing, rules: Deliberates, spent_s: float) -> float:
    """Seconds that thinking may take now: the agent's budget, and no more
    than a share of what is left of the deadline once the fast answer's expected time is set aside. Of a stream, that is its first
    word's."""
    policy = weighing.table.policy
    expected_ms = weighing.decision.prediction.latency_ms
    left = (deadline_ms(weighing.context, policy) - expected_ms) / 1000.0 - spent_s
    return min(own_s(weighing, rules), left * policy.deliberation_limits.deadline_share)
