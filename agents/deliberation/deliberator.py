"""Decides whether to think twice about a decision, asks, and follows the answer only where it may be followed.

Whatever happens here, a decision comes out: the fast one, unless a model chose another permitted target in time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from agents.deliberation import gate, routing
from agents.deliberation.asked import Answered, Asker, Asking
from agents.deliberation.asking import Question, Thinker
from agents.deliberation.figures import DeliberationNumbers, Figures
from agents.deliberation.routing import Weighing
from agents.deliberation.spending import Spending
from agents.deliberation.track import TrackRecord
from agents.sensing import permitted
from router_core.decision import RoutingDecision
from router_core.deliberation import Advice
from router_core.policy.deliberation import OFF
from router_core.ports import Clock, Ledger
from router_core.record import dataclass
from router_core.resources import TargetSpec
from router_core.routing.preferred import ROUTER, followed
from router_core.signals.fingerprint import fingerprint

_log: Final = logging.getLogger("tierwise.deliberation")
_IDS: Final = ("request_id", "position", "session_target", "prefix_target")
_COARSE: Final = ("complexity", "guard", "rtt_ms", "battery", "cpu_load", "memory_free_mb", "max_cost_usd")
_COUNTS: Final = ("prompt_tokens", "output_tokens", "max_output_tokens", "fit_tokens", "turns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where the models are: the residency groups of their region, and the targets, by which egress is judged."""

    groups: tuple[str, ...]
    specs: Mapping[str, TargetSpec]


class Deliberator:
    """One per process."""

    def __init__(self, thinker: Thinker, ledger: Ledger, clock: Clock, home: Home) -> None:
        self._home, self._now = home, clock.monotonic_s
        self._figures, self._track = Figures(), TrackRecord()
        self._asker = Asker(thinker, Spending(ledger, clock), clock, self._figures)

    async def weigh(self, weighing: Weighing, started_s: float) -> RoutingDecision:
        """The decision to take; `started_s` is when the request came. Only a cancellation is raised."""
        policy, context = weighing.table.policy, weighing.context
        rules = policy.deliberation[ROUTER]
        mode = rules.mode(context.request_class)
        if mode == OFF or not self._may_ask(weighing):
            return weighing.decision
        within_s = gate.budget_s(context, weighing.decision, policy, rules, self._now() - started_s)
        if within_s < gate.USEFUL_S:
            self._figures.count(ROUTER, "no_time")
            return weighing.decision
        try:
            question = routing.question(weighing)
            key = look_alike(weighing, question)
            if self._asker.known(key) is None and not self._worth(mode, weighing, question):
                self._figures.count(ROUTER, "not_worth")
                return weighing.decision
            return await self._followed(weighing, question, key, within_s, started_s)
        except Exception:
            # A fault of ours in here must not become the caller's.
            _log.exception("deliberation failed")
            self._figures.count(ROUTER, "failed")
            return weighing.decision

    async def consider(self, weighing: Weighing, within_s: float) -> RoutingDecision:
        """The decision of a person who wants to see both: asked whatever the mode, where it may be asked at all."""
        if not self._may_ask(weighing):
            return weighing.decision
        question = routing.question(weighing)
        return await self._followed(weighing, question, look_alike(weighing, question), within_s, self._now())

    def judged(self, request_id: str, score: float) -> None:
        """An answer was judged, in [0, 1]: what the model is trusted with from now on."""
        self._track.judged(request_id, score)

    def numbers(self) -> DeliberationNumbers:
        """What was asked so far, what came of it, what it cost."""
        return self._figures.numbers()

    async def close(self) -> None:
        """Give up on what is still being asked."""
        await self._asker.close()

    def _may_ask(self, weighing: Weighing) -> bool:
        """Whether there is a choice, and a cloud target in the models' region might be shown the request."""
        if len(routing.candidates(weighing.decision)) < 2:
            return False
        allowed = permitted(weighing.context, weighing.table.policy, self._home.groups, self._home.specs)
        if not allowed:
            self._figures.count(ROUTER, "not_permitted")
        return allowed

    def _worth(self, mode: str, weighing: Weighing, question: Question) -> bool:
        policy, decision = weighing.table.policy, weighing.decision
        accuracy = self._track.accuracy(ROUTER, decision.request_class)
        return gate.asks(
            mode,
            sampled=gate.drawn(policy.deliberation[ROUTER], ROUTER, decision.request_id),
            worth=gate.worth_usd(decision, policy, accuracy),
            price=self._asker.expected_usd(question),
        )

    async def _followed(
        self, weighing: Weighing, question: Question, key: str, within_s: float, started_s: float
    ) -> RoutingDecision:
        answered, reused = self._asker.known(key), True
        if answered is None:
            asking = Asking(
                key=key, question=question, tenant=weighing.context.tenant, policy=weighing.table.policy
            )
            answered, reused = await self._asker.ask(asking, within_s), False
        if answered is None:
            return weighing.decision
        advice = _advice(weighing, question, answered, reused=reused)
        made = followed(weighing.decision, (advice,), weighing.context, weighing.table, weighing.inflight)
        if not self._in_time(weighing, made, started_s):
            self._figures.count(ROUTER, "too_late_for_target")
            return followed(weighing.decision, (_unfollowed(advice),), weighing.context, weighing.table)
        self._figures.count(ROUTER, "reused" if reused else "followed")
        self._track.followed(
            made.request_id, ROUTER, made.request_class, weighing.decision.prediction.quality
        )
        return made

    def _in_time(self, weighing: Weighing, made: RoutingDecision, started_s: float) -> bool:
        """Whether the target still fits the deadline, now that thinking took a part of it."""
        limit = weighing.context.max_latency_ms
        if limit is None or made.target == weighing.decision.target:
            return True
        return (self._now() - started_s) * 1000.0 + made.prediction.latency_ms <= limit


def look_alike(weighing: Weighing, question: Question) -> str:
    """The name of all decisions that are taken to be the same: tenant, prompt, policy, choices, and the request's features
    without its ids, numbers coarsely. The state of targets is in it as the fast choice and no more, because it changes
    twice a second."""
    features: dict[str, Any] = weighing.context.features()
    for name in _IDS:
        features.pop(name, None)
    for name in _COARSE:
        if name in features:
            features[name] = round(float(features[name]), 1)
    for name in _COUNTS:
        if name in features:
            features[name] = int(features[name]).bit_length()
    choices = [list(choice.words) for choice in question.form.choices]
    named = [question.prompt.sha256, weighing.decision.policy_sha256, weighing.decision.target, choices]
    return fingerprint(json.dumps(part, sort_keys=True).encode() for part in (*named, features))


def _advice(weighing: Weighing, question: Question, answered: Answered, *, reused: bool) -> Advice:
    return Advice(
        agent=question.agent,
        model=answered.model,
        prompt=question.prompt.label,
        answer=answered.values,
        before={"target": weighing.decision.target},
        accepted=True,
        latency_ms=0.0 if reused else answered.latency_ms,
        cost_usd=0.0 if reused else answered.cost_usd,
        reused=reused,
    )


def _unfollowed(advice: Advice) -> Advice:
    return replace(advice, accepted=False)
