"""Asks a model for all agents: once for look-alike questions, within the cap, and not at all while it is ill.

A question is a task of its own. Whoever waits for it leaves when the budget is used up and takes the fast answer; the
task goes on within its own bound, so that the answer serves the next request that looks like this one.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from agents.deliberation.asking import MAX_ANSWER_TOKENS, Question, Thinker
from agents.deliberation.figures import Figures
from agents.deliberation.spending import SetAside, Spending
from router_core.deliberation import Advice, Word
from router_core.errors import NotTakenError, StoreError
from router_core.policy.document import Breaker, Policy
from router_core.ports import Clock
from router_core.record import dataclass
from router_core.reliability import breaker
from router_core.reliability.breaker import CLOSED, BreakerState

PATIENCE_S: Final = 10.0
"""How long a question may take although nobody waits for it any more."""
AT_ONCE: Final = 16
KEPT: Final = 4096
OVERHEAD_TOKENS: Final = 1000
"""The form of the answer and the framework's own words, at most, once per turn."""
USUAL_OVERHEAD_TOKENS: Final = 300
USUAL_ANSWER_TOKENS: Final = 40
QUIET_S: Final = 60.0
"""How long the same failure is not told again."""
_log: Final = logging.getLogger("tierwise.deliberation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A model's checked answer, and what it took; `until_s` is how long it serves look-alikes."""

    values: Mapping[str, Word]
    model: str
    latency_ms: float
    cost_usd: float
    until_s: float


def as_advice(
    question: Question, found: tuple[Answered, bool], before: Mapping[str, Word], *, accepted: bool
) -> Advice:
    """For the decision's record; an answer that was known already cost this decision nothing."""
    answered, reused = found
    return Advice(
        agent=question.agent,
        model=answered.model,
        prompt=question.prompt.label,
        answer=answered.values,
        before=before,
        accepted=accepted,
        latency_ms=0.0 if reused else answered.latency_ms,
        cost_usd=0.0 if reused else answered.cost_usd,
        reused=reused,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One question as it is put: `key` names all that it looks like, the tenant among it."""

    key: str
    question: Question
    tenant: str
    policy: Policy


class Asker:
    """One per process. Every method is for its event loop."""

    def __init__(self, thinker: Thinker, spending: Spending, clock: Clock, figures: Figures) -> None:
        self._thinker, self._spending, self._figures = thinker, spending, figures
        self._now = clock.monotonic_s
        self._kept: OrderedDict[str, Answered] = OrderedDict()
        self._tasks: dict[str, asyncio.Task[Answered | None]] = {}
        self._breakers: dict[str, BreakerState] = {}
        self._said: dict[str, float] = {}

    def worst_usd(self, question: Question) -> float:
        """The most that a question can cost: a token per character, which ASCII text never passes."""
        shown = (
            len(question.prompt.text) + len(question.text) + sum(len(look.text) for look in question.looks)
        )
        turns = question.turns
        tokens = turns * (shown + OVERHEAD_TOKENS + turns * MAX_ANSWER_TOKENS)
        return self._thinker.price_usd(question.role, tokens, turns * MAX_ANSWER_TOKENS)

    def expected_usd(self, question: Question) -> float:
        """What a question usually costs: four characters a token, one turn, a short answer."""
        tokens = (len(question.prompt.text) + len(question.text)) // 4 + USUAL_OVERHEAD_TOKENS
        return self._thinker.price_usd(question.role, tokens, USUAL_ANSWER_TOKENS)

    def known(self, key: str) -> Answered | None:
        """What a look-alike was told lately."""
        found = self._kept.get(key)
        return found if found is not None and found.until_s > self._now() else None

    async def ask(self, asking: Asking, within_s: float) -> Answered | None:
        """The answer, None where there is none in time. Raises nothing but a cancellation of whoever waits."""
        task = self._tasks.get(asking.key)
        if task is None:
            if len(self._tasks) >= AT_ONCE:
                self._figures.count(asking.question.agent, "crowded")
                return None
            task = self._tasks[asking.key] = asyncio.create_task(self._answer(asking))
            task.add_done_callback(lambda _: self._tasks.pop(asking.key, None))
        done, _ = await asyncio.wait({task}, timeout=within_s)
        if not done:
            self._figures.count(asking.question.agent, "late")
            return None
        return None if task.cancelled() else task.result()

    async def close(self) -> None:
        """Give up on all questions."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, asking: Asking) -> Answered | None:
        agent, rules = asking.question.agent, asking.policy.breaker
        admitted = breaker.admit(self._breakers.get(agent, CLOSED), rules, self._now())
        if admitted is None:
            self._figures.count(agent, "left_alone")
            return None
        worst = self.worst_usd(asking.question)
        aside = await self._spending.reserve(asking.tenant, worst, asking.policy.deliberation_limits)
        if aside is None:
            self._figures.count(agent, "over_cap")
            return None
        self._breakers[agent] = admitted
        return await self._thought(asking, aside)

    async def _thought(self, asking: Asking, aside: SetAside) -> Answered | None:
        question, started = asking.question, self._now()
        agent, rules = question.agent, asking.policy.breaker
        try:
            async with asyncio.timeout(PATIENCE_S):
                thought = await self._thinker.think(question)
        except (StoreError, TimeoutError) as error:
            # What was set aside stays: a model that was cut off may have been paid for.
            outcome = "malformed" if isinstance(error, NotTakenError) else "unavailable"
            self._failed(question, outcome, error, rules)
            return None
        except Exception as error:
            # A fault of ours, and like an answer that did not come: nobody may be left who would hear of it.
            self._failed(question, "failed", error, rules)
            return None
        except BaseException:
            self._breakers[agent] = breaker.abandoned(self._breakers[agent])
            raise
        taken_s = self._now() - started
        cost = self._thinker.price_usd(question.role, thought.input_tokens, thought.output_tokens)
        self._figures.asked(agent, taken_s, cost)
        await self._spending.settle(aside, cost)
        self._breakers[agent] = breaker.success(self._breakers[agent], rules, self._now())
        try:
            values = question.form.checked(thought.values)
        except NotTakenError:
            self._figures.count(agent, "malformed")
            return None
        limits = asking.policy.deliberation_limits
        answered = Answered(
            values=values,
            model=thought.model,
            latency_ms=taken_s * 1000.0,
            cost_usd=cost,
            until_s=self._now() + limits.reuse_s,
        )
        self._keep(asking.key, answered)
        return answered

    def _failed(self, question: Question, outcome: str, error: Exception, rules: Breaker) -> None:
        """Count it, and say why once per kind and minute: without that, missing credentials look like a model that is down."""
        agent, now = question.agent, self._now()
        self._figures.count(agent, outcome)
        self._breakers[agent] = breaker.failure(self._breakers[agent], rules, now)
        said = f"{agent}: {str(error) or type(error).__name__}"
        if now >= self._said.get(said, -math.inf):
            self._said[said] = now + QUIET_S
            _log.warning("no advice for the agent %s", said, exc_info=error if outcome == "failed" else None)

    def _keep(self, key: str, answered: Answered) -> None:
        self._kept[key] = answered
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
