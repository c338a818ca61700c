"""Decides whether to think twice about a request, asks, and follows the answer only where it may be followed.

Whatever happens here, a decision comes out: the fast one, unless a model chose another permitted target in time. First
the safety and the context agent may see the request otherwise, then the router agent may prefer another target.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from agents.deliberation import classing, gate, routing, suspecting
from agents.deliberation.alike import look_alike
from agents.deliberation.asked import Answered, Asker, Asking, as_advice
from agents.deliberation.asking import Question, Thinker
from agents.deliberation.figures import Figures
from agents.deliberation.outlook import Outlook
from agents.deliberation.spending import Spending
from agents.deliberation.suspecting import SAFETY
from agents.deliberation.tools import History
from agents.deliberation.track import Place, TrackRecord
from agents.sensing import permitted
from agents.weighing import Weighing
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.deliberation import Advice, Word
from router_core.errors import NoTargetError
from router_core.monitoring import DeliberationNumbers
from router_core.policy.deliberation import GATED, OFF, ON_THE_PATH, Deliberates
from router_core.policy.document import Policy
from router_core.ports import Clock, Ledger
from router_core.record import dataclass
from router_core.resources import TargetSpec
from router_core.routing.decide import decide
from router_core.routing.preferred import ROUTER, followed
from router_core.signals.fingerprint import stable_fraction

_log: Final = logging.getLogger("tierwise.deliberation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where the models are: the residency groups of their region, and the targets, by which egress is judged; and which
    `share` of the caps this process may spend, where it keeps a ledger alone."""

    groups: tuple[str, ...]
    specs: Mapping[str, TargetSpec]
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One request's time: when it came, on the monotonic clock, until when its agents may think together, and for a person who
    waits (and whom no gate turns away) how long each question may take."""

    started_s: float
    ends_s: float = math.inf
    within_s: float | None = None


class Deliberator:
    """One per process; its `asker` and what it knows of its `home` also serve those who look things over in the background."""

    def __init__(self, thinker: Thinker, ledger: Ledger, clock: Clock, home: Home) -> None:
        self.home, self._thinker, self._now = home, thinker, clock.monotonic_s
        self._figures, self._track, self._history = Figures(), TrackRecord(), History()
        self.asker = Asker(thinker, Spending(ledger, clock, home.share), clock, self._figures)

    async def weigh(self, weighing: Weighing, started_s: float) -> Weighing:
        """The decision to take, and its context. Only a cancellation is raised."""
        named = weighing.context.request_class
        on = [rules for agent in ON_THE_PATH if (rules := _rules(weighing, agent)).mode(named) != OFF]
        if not on:
            return weighing
        longest_s = max(gate.own_s(weighing, rules) for rules in on)
        moment = Moment(started_s=started_s, ends_s=self._now() + longest_s - gate.SPARE_S)
        return await self._thought(weighing, moment)

    async def consider(self, weighing: Weighing, within_s: float) -> Weighing:
        """As `weigh`, for a person who wants to see both: asked whatever the mode, where it may be asked at all."""
        return await self._thought(weighing, Moment(started_s=self._now(), within_s=within_s))

    def judged(self, request_id: str, target: str, score: float) -> None:
        """An answer was judged, in [0, 1]: what the model is trusted with from now on."""
        self._track.judged(request_id, target, score)

    def numbers(self) -> DeliberationNumbers:
        """What was asked so far, what came of it, what it cost."""
        return self._figures.numbers()

    def warm(self) -> None:
        """Be ready for a first question."""
        self._thinker.warm()

    async def close(self) -> None:
        """Give up on what is still being asked."""
        await self.asker.close()

    async def _thought(self, weighing: Weighing, moment: Moment) -> Weighing:
        if not self._may_ask(weighing):
            return weighing
        began_s = self._now()
        try:
            read = await self._read(weighing, moment)
            made = await self._routed(read, moment)
            self._history.note(made.context.tenant, made.context.task, made.decision)
            self._note_decision(made.decision, self._now() - began_s)
            return made
        except Exception:
            # A fault of ours in here must not become the caller's.
            _log.exception("deliberation failed")
            self._figures.count(ROUTER, "failed")
            return weighing

    def _may_ask(self, weighing: Weighing) -> bool:
        """Whether there is a choice, and a cloud target in the models' region might be shown the request."""
        if len(routing.candidates(weighing.decision)) < 2:
            return False
        allowed = permitted(weighing.context, weighing.table.policy, self.home.groups, self.home.specs)
        if not allowed:
            self._figures.count(ROUTER, "not_permitted")
        return allowed

    def _note_decision(self, decision: RoutingDecision, taken_s: float) -> None:
        self._figures.decided(
            decision.decided_by, taken_s, math.fsum(advice.cost_usd for advice in decision.advice)
        )

    # ---- the safety and the context agent -------------------------------------------------------------------------------

    async def _read(self, weighing: Weighing, moment: Moment) -> Weighing:
        """The request as models see it, and the fast decision that follows from that. All are asked at once; of a text that
        is called an attack nothing else is believed."""
        doubt = classing.doubt(weighing.context, weighing.table.policy)
        questions = [(suspecting.suspect(weighing), 0.5)]
        if classing.askable(weighing.context):
            questions += [(classing.classify(weighing), doubt), (classing.score(weighing), doubt)]
        answers = await asyncio.gather(
            *(
                self._answer(weighing, question, moment, partial(self._reading, weighing, question, sure))
                for question, sure in questions
            )
        )
        context, told = weighing.context, list(weighing.decision.advice)
        for (question, _), found in zip(questions, answers, strict=True):
            if found is None:
                continue
            changed = _seen(context, question, found[0], weighing.table.policy)
            accepted = changed is not context
            told.append(as_advice(question, found, _before(question, context), accepted=accepted))
            outcome = "reused" if found[1] else "followed" if accepted else "unchanged"
            self._figures.count(question.agent, outcome)
            context = changed
        if not told:
            return weighing
        try:
            decision = decide(context, weighing.table, weighing.inflight)
        except NoTargetError:
            return weighing
        self._note_readings(weighing, questions, told, moved=decision.target != weighing.decision.target)
        return replace(weighing, context=context, decision=replace(decision, advice=tuple(told)))

    def _reading(self, weighing: Weighing, question: Question, doubt: float) -> float:
        place = (question.agent, weighing.decision.request_class)
        return gate.worth_usd(
            weighing.decision, weighing.table.policy, self._track.reading_gain(place, doubt)
        )

    def _note_readings(
        self, weighing: Weighing, questions: list[tuple[Question, float]], told: list[Advice], *, moved: bool
    ) -> None:
        """Whether asking again about such a request may change anything: a warning, or the decision."""
        doubts = {question.agent: doubt for question, doubt in questions}
        for one in told:
            if one.agent in doubts and not one.reused:
                changed = one.accepted and (moved or one.agent == SAFETY)
                place = (one.agent, weighing.decision.request_class)
                self._track.read(place, doubts[one.agent], changed=changed)

    # ---- the router agent -----------------------------------------------------------------------------------------------

    async def _routed(self, weighing: Weighing, moment: Moment) -> Weighing:
        fast = weighing.decision
        if len(routing.candidates(fast)) < 2:
            return weighing
        lately = self._history.similar(weighing.context.tenant, weighing.context.task)
        question, seen = routing.question(weighing, lately), routing.foreseen(weighing)
        place = (ROUTER, fast.request_class)
        found = await self._answer(weighing, question, moment, lambda: self._choosing(weighing, seen, place))
        if found is None:
            return weighing
        named = str(found[0].values["target"])
        advice = as_advice(question, found, {"target": fast.target}, accepted=True)
        made, outcome = self._followed(weighing, advice), "reused" if advice.reused else "followed"
        if moment.within_s is None and _rules(weighing, ROUTER).mode(fast.request_class) == GATED:
            believed = seen.pays(named, self._track.skills(place))
        else:
            believed = True
        if not believed or not self._in_time(weighing, made, moment):
            outcome = "too_late_for_target" if believed else "not_believed"
            made = self._followed(weighing, replace(advice, accepted=False))
        self._figures.count(ROUTER, outcome)
        if not advice.reused:
            good = seen.evidence(named, made.target)
            self._track.advised(made.request_id, place, made.target, good)
        return replace(weighing, decision=made)

    def _choosing(self, weighing: Weighing, seen: Outlook, place: Place) -> float:
        """What asking is worth in USD, were the model as skilled as was drawn for this request."""
        fraction = stable_fraction(f"skill:{weighing.decision.request_id}")
        stake = weighing.table.policy.deliberation_limits.stake_usd(weighing.decision.request_class)
        return stake * seen.worth(self._track.drawn(place, fraction))

    def _followed(self, weighing: Weighing, advice: Advice) -> RoutingDecision:
        told = (*weighing.decision.advice, advice)
        return followed(weighing.decision, told, weighing.context, weighing.table, weighing.inflight)

    def _in_time(self, weighing: Weighing, made: RoutingDecision, moment: Moment) -> bool:
        """Whether the target still fits the deadline, now that thinking took a part of it."""
        limit = weighing.context.max_latency_ms
        if limit is None or made.target == weighing.decision.target:
            return True
        return (self._now() - moment.started_s) * 1000.0 + made.prediction.latency_ms <= limit

    # ---- for both -------------------------------------------------------------------------------------------------------

    async def _answer(
        self, weighing: Weighing, question: Question, moment: Moment, worth_usd: Callable[[], float]
    ) -> tuple[Answered, bool] | None:
        """The answer and whether it was known, None where it isn't worth asking or does not come in time."""
        agent, within_s = question.agent, moment.within_s
        rules = _rules(weighing, agent)
        if within_s is None:
            if rules.mode(weighing.context.request_class) == OFF:
                return None
            now = self._now()
            within_s = min(gate.budget_s(weighing, rules, now - moment.started_s), moment.ends_s - now)
            if within_s < gate.USEFUL_S:
                self._figures.count(agent, "no_time")
                return None
        key = look_alike(weighing, question)
        known = self.asker.known(key)
        if known is not None:
            return known, True
        if moment.within_s is None and not self._worth(weighing, question, rules, worth_usd):
            self._figures.count(agent, "not_worth")
            return None
        asking = Asking(
            key=key, question=question, tenant=weighing.context.tenant, policy=weighing.table.policy
        )
        answered = await self.asker.ask(asking, within_s)
        return None if answered is None else (answered, False)

    def _worth(
        self, weighing: Weighing, question: Question, rules: Deliberates, worth_usd: Callable[[], float]
    ) -> bool:
        decision, mode = weighing.decision, rules.mode(weighing.decision.request_class)
        return gate.asks(
            mode,
            sampled=gate.drawn(rules, question.agent, decision.request_id),
            worth=worth_usd() if mode == GATED else 0.0,
            price=self.asker.expected_usd(question),
        )


def _rules(weighing: Weighing, agent: str) -> Deliberates:
    return weighing.table.policy.deliberates(agent, weighing.context.tenant)


def _seen(context: RequestContext, question: Question, answered: Answered, policy: Policy) -> RequestContext:
    """The context once this answer about it is believed."""
    if question.agent == SAFETY:
        return suspecting.warned(context, answered.values)
    return classing.judged(context, answered.values, policy) if classing.askable(context) else context


def _before(question: Question, context: RequestContext) -> dict[str, Word]:
    if question.agent == SAFETY:
        return {"guard": context.guard}
    return {"class": context.request_class, "complexity": context.complexity}
