"""Decides whether an answer is kept: gathers what there is to know of it, at no more cost and time than the request has.

Everybody who is asked is a target of the request's own decision, so a check reaches nothing that the request may not. Calls are
attempts like any other: bounded by the deadline, counted and billed. Where no better target could follow in time and
within the budget, nothing is checked, because nothing would come of it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from agents.attempts import Answered, Job, Step
from agents.checking.forecast import affordable, forecast
from agents.checking.form import malformed
from agents.checking.questions import PLANS, Case, Question
from router_core.errors import TargetError
from router_core.execution import Checked
from router_core.learning.verification import Keeping, Signs, chance, features
from router_core.policy.verification import FREE, Verification
from router_core.ports import ModelCall
from router_core.resources import TargetSpec
from router_core.signals.fingerprint import stable_fraction

RESERVE: Final = 1.5
"""Part of the next target's expected time that stays for it, in multiples."""
Generate = Callable[[Job, Step, ModelCall], Awaitable[Answered | TargetError]]
"""One call as an attempt of the job."""


class Checker:
    """`keeping` gives the weights and bounds in force."""

    def __init__(self, generate: Generate, keeping: Callable[[], Keeping], now: Callable[[], float]) -> None:
        self._generate, self._keeping, self._now = generate, keeping, now

    def rule(self, job: Job, spec: TargetSpec) -> Verification | None:
        """How answers of this target to this request are checked; None where they are not."""
        rule, context = job.policy.verification, job.context
        if not rule.checks or context.request_class not in rule.classes or spec.tier not in rule.tiers:
            return None
        if context.task == "embed" or (rule.tasks and context.task not in rule.tasks):
            return None
        return rule if job.table is not None and job.request.params.n == 1 else None

    def wants_told(self, job: Job, spec: TargetSpec) -> bool:
        """Whether the target is to say how sure it is, where it can."""
        rule = self.rule(job, spec)
        return rule is not None and "logprobs" in rule.checks and spec.logprobs and spec.kind == "openai"

    def holds_back(self, job: Job) -> bool:
        """Whether the answer is written in full before the client sees any of it."""
        return bool(job.decision.fallbacks) and self.rule(job, job.specs[job.decision.target]) is not None

    async def check(
        self, job: Job, spec: TargetSpec, answered: Answered, waiting: tuple[TargetSpec, ...]
    ) -> Checked | None:
        """What checking came to; None where it was not checked."""
        rule = self.rule(job, spec)
        if rule is None:
            return None
        case = self._case(job, spec, answered, rule, waiting)
        if case is None:
            return None
        keeping, signs = self._keeping(), self._read(case)
        weights = keeping.group(spec.name).weights
        above = rule.keep_above
        if above is None:
            above = keeping.keep_above(spec.name, rule.bad_kept)
        audited = above <= 0.0 or stable_fraction(f"audit:{job.request.request_id}") < rule.audit
        asks = self._asks(case)
        if asks and (audited or not _settled(weights, signs, tuple(asks), above)):
            signs = await self._asked(signs, asks)
        row = features(signs)
        sure = chance(weights, row)
        return Checked(chance=sure, above=above, kept=audited or sure >= above, audited=audited, features=row)

    def better(self, job: Job, doubted: TargetSpec, sure: float) -> Callable[[TargetSpec], bool]:
        """Whether a target may follow an answer of which one is so `sure`: only one that is expected to do better than that,
        and than the doubted one was before, within the budget."""
        expected = forecast(job)
        least = max(sure, expected[doubted.name].quality)
        return lambda spec: expected[spec.name].quality > least and affordable(job, spec)

    def _case(
        self,
        job: Job,
        spec: TargetSpec,
        answered: Answered,
        rule: Verification,
        waiting: tuple[TargetSpec, ...],
    ) -> Case | None:
        expected = forecast(job)
        others = tuple(one for one in waiting if affordable(job, one))
        onward = tuple(one for one in others if expected[one.name].quality > expected[spec.name].quality)
        if not onward:
            return None
        room_s = job.left_s(self._now()) - RESERVE * expected[onward[0].name].latency_ms / 1000.0
        if room_s <= 0.0:
            return None
        spare = job.budget_usd - job.ledger.cost_usd - job.most_usd(onward[0])
        return Case(
            job=job, spec=spec, answered=answered, rule=rule, others=others, onward=onward, expected=expected,
            room_s=room_s, spare_usd=spare,
        )  # fmt: skip

    def _read(self, case: Case) -> Signs:
        """What needs nobody else."""
        job, answered, checks = case.job, case.answered, case.rule.checks
        told = answered.confidence if "logprobs" in checks else None
        return Signs(
            before=case.expected[case.spec.name].quality,
            tokens=answered.usage.completion_tokens,
            malformed="form" in checks and malformed(job.context.task, job.request.params, answered.output),
            logprob=None if told is None else math.log(max(told, 1e-6)),
        )

    def _asks(self, case: Case) -> dict[str, Callable[[], Awaitable[float | None]]]:
        """Whom to ask, by sign, as far as the budget goes."""
        asks: dict[str, Callable[[], Awaitable[float | None]]] = {}
        spent = 0.0
        for check in case.rule.checks:
            found = None if check in FREE else PLANS[check](case)
            if found is None or spent + found.most_usd > case.spare_usd:
                continue
            spent += found.most_usd
            asks[check] = lambda asked=found: self._ask(case, asked)  # type: ignore[misc]  # bound now, on purpose
        return asks

    async def _asked(self, signs: Signs, asks: Mapping[str, Callable[[], Awaitable[float | None]]]) -> Signs:
        """With what all of them say, asked at once."""
        said = await asyncio.gather(*(ask() for ask in asks.values()))
        return signs.told(dict(zip(asks, said, strict=True)))

    async def _ask(self, case: Case, asked: Question) -> float | None:
        spec = asked.spec
        step = Step(spec=spec, wait_s=0.0, timeout_s=min(spec.timeout_s, case.room_s), role="check")
        found = await self._generate(case.job, step, asked.call(step))
        return None if isinstance(found, TargetError) else asked.reads(found)


def _settled(weights: tuple[float, ...], signs: Signs, asked: tuple[str, ...], above: float) -> bool:
    """Whether nothing that could be said would change the outcome."""
    ends = [chance(weights, features(signs.told(dict.fromkeys(asked, said)))) for said in (0.0, 1.0)]
    return min(ends) >= above or max(ends) < above
