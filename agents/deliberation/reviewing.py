"""What the resource, cache and monitor agents ask in the background: findings for an operator, which change nothing.

They look at figures of the whole process, no tenant's content among them, and are asked in the mode that the policy sets for
batch work. A finding is a record; what to do about it is a person's matter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agents.deliberation.asked import PATIENCE_S, Asker, Asking
from agents.deliberation.asking import Choice, Form, Look, Question, Role
from agents.deliberation.gate import drawn
from agents.deliberation.prompt import prompt
from agents.deliberation.quoting import quoted
from agents.deliberation.tools import Tool
from router_core.deliberation import Advice
from router_core.events import finding_record
from router_core.policy.deliberation import OFF, SAMPLED
from router_core.policy.document import Policy
from router_core.ports import Clock, EventSink
from router_core.signals.fingerprint import fingerprint

OPERATOR: Final = "operator"
"""On whose account reviews go, beside everybody's."""
NONE: Final = "none"
_BATCH: Final = "batch"
_FIRST: Final[Mapping[str, tuple[str, Role]]] = {
    "resource": ("state_of_targets", "lite"),
    "cache": ("metrics", "micro"),
    "monitor": ("metrics", "lite"),
}
"""By agent: what it is shown at once, and how strong a model it needs."""


class Reviewer:
    """Asks on behalf of the three agents, as often as whoever holds it calls."""

    def __init__(self, asker: Asker, events: EventSink, clock: Clock) -> None:
        self._asker, self._events, self._clock = asker, events, clock

    async def review(
        self, policy: Policy, tools: Sequence[Tool], names: tuple[str, ...]
    ) -> tuple[Advice, ...]:
        """What each agent that is switched on finds; every finding is recorded. Tools are looked at here and now, so that what a
        model calls later only repeats it."""
        looks = tuple(Look(name=tool.name, meaning=tool.meaning, text=tool.call()) for tool in tools)
        found = [await self._one(agent, policy, looks, names) for agent in _FIRST if self._on(agent, policy)]
        return tuple(one for one in found if one is not None)

    def _on(self, agent: str, policy: Policy) -> bool:
        rules = policy.deliberation[agent]
        mode = rules.mode(_BATCH)
        return mode != OFF and (mode != SAMPLED or drawn(rules, agent, str(self._clock.now_s())))

    async def _one(
        self, agent: str, policy: Policy, looks: tuple[Look, ...], names: tuple[str, ...]
    ) -> Advice | None:
        question = asked(agent, looks, names)
        key = fingerprint((question.prompt.sha256.encode(), question.text.encode()))
        asking = Asking(key=key, question=question, tenant=OPERATOR, policy=policy)
        answered = self._asker.known(key) or await self._asker.ask(asking, PATIENCE_S)
        if answered is None:
            return None
        finding = Advice(
            agent=agent,
            model=answered.model,
            prompt=question.prompt.label,
            answer=answered.values,
            before={},
            accepted=False,
            latency_ms=answered.latency_ms,
            cost_usd=answered.cost_usd,
        )
        self._events.emit(finding_record(self._clock.now_s(), finding))
        return finding


def asked(agent: str, looks: tuple[Look, ...], names: tuple[str, ...]) -> Question:
    """The agent's question: the figures that concern it, and the rest to look at."""
    first, role = _FIRST[agent]
    shown: dict[str, Any] = next(json.loads(look.text) for look in looks if look.name == first)
    return Question(
        agent=agent,
        role=role,
        prompt=prompt(agent),
        text=quoted(shown),
        form=_form(agent, names),
        looks=tuple(look for look in looks if look.name != first),
    )


def _form(agent: str, names: tuple[str, ...]) -> Form:
    target = Choice(name="target", words=(NONE, *names), meaning="a target, or none")
    choices = {
        "resource": (
            target,
            Choice(name="state", words=("fine", "slow", "overloaded", "failing"), meaning="how it is"),
            Choice(
                name="proposal", words=("nothing", "probe", "add_capacity", "drain"), meaning="to consider"
            ),
        ),
        "cache": (
            Choice(name="state", words=("useful", "idle", "bypassed"), meaning="how it does"),
            Choice(name="proposal", words=("nothing", "longer", "shorter", "off"), meaning="to consider"),
        ),
        "monitor": (
            Choice(
                name="pattern",
                words=(NONE, "errors", "latency", "cost", "fallbacks", "imbalance"),
                meaning="what shows",
            ),
            target,
        ),
    }
    return Form(
        name=f"{agent.title()}Finding", meaning="What an operator should know.", choices=choices[agent]
    )
