"""The round in the background that may end in a proposal: who asks what, in which order, and when it ends early.

The monitor looks for a pattern, the resource and the cache agent say whether routing is to blame, the router drafts a change
out of closed lists, the safety agent reviews it after our own limits did, past requests are decided again under it, and what is
left is stored for a person. A step without an answer ends the round: nothing is guessed. Every step leaves a record, from which
the draft can be made again to the bit.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from importlib import import_module
from typing import Any, Final

from agents.deliberation.asked import PATIENCE_S, Answered, Asker, Asking
from agents.deliberation.asking import CONFIDENCE, Look, Question
from agents.deliberation.background_questions import (
    NONE,
    cache_question,
    monitor_question,
    resource_question,
    router_question,
    safety_question,
    wishes_of,
)
from agents.deliberation.tools import Tool
from agents.proposals.book import ProposalBook
from agents.proposals.desk import ProposalDesk
from agents.proposals.figures import Lately
from agents.proposals.permitted import changed
from agents.proposals.proposal import Proposal
from router_core.errors import RequestError, StoreError, TierwiseError
from router_core.policy.document import Policy
from router_core.policy.proposals import OFF
from router_core.record import dataclass
from router_core.signals.fingerprint import fingerprint

OPERATOR: Final = "operator"
AGENTS: Final = "agents"
"""Who drafted what comes out of a round."""
LEAST_SURE: Final = 0.5
"""An agent that is less sure has found nothing."""
WORSE: Final = "worse"
SCHEMA: Final = 1
_log: Final = logging.getLogger("tierwise.proposals")


@dataclass(slots=True, kw_only=True)
class Round:
    """One look, from beginning to end. `ended` says why it went no further; a stored proposal ends it as well."""

    id: str
    why: str
    policy: Policy
    figures: Mapping[str, Any]
    found: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    steps: list[Mapping[str, Any]] = field(default_factory=list)
    new: Policy | None = None
    evidence: Mapping[str, Any] | None = None
    proposal: Proposal | None = None
    ended: str | None = None

    @property
    def goes_on(self) -> bool:
        return self.ended is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """What agents in the background see: figures of the process, and the read-only tools."""

    lately: Lately
    tools: tuple[Tool, ...]
    names: tuple[str, ...]


Walk = Callable[["Steps", Round], Any]
"""Takes the steps of a round in their order."""


class Steps:
    """The steps themselves; each may end the round. They raise nothing but what is a fault of ours."""

    def __init__(self, asker: Asker, desk: ProposalDesk, eyes: Eyes) -> None:
        self._asker, self._desk, self._eyes = asker, desk, eyes

    async def monitor(self, now: Round) -> None:
        """Whether there is a pattern at all."""
        answer = await self._ask(now, "monitor", monitor_question(now.figures, now.why, self._eyes.names))
        if answer is not None and answer["pattern"] == NONE:
            now.ended = "monitor: no pattern"

    async def resource(self, now: Round) -> None:
        """Whether routing is to blame, and not a target."""
        question = resource_question(now.found["monitor"], self._look("state_of_targets"))
        answer = await self._ask(now, "resource", question)
        if answer is not None and answer["cause"] != "routing":
            now.ended = f"resource: {answer['cause']}"

    async def cache(self, now: Round) -> None:
        """Whether what the cache does explains it."""
        answer = await self._ask(now, "cache", cache_question(now.found["monitor"], self._look("metrics")))
        if answer is not None and answer["explains"] == "yes":
            now.ended = "cache: explains it"

    async def router(self, now: Round) -> None:
        """The draft, out of closed lists, and our own limits."""
        question = router_question(now.policy, now.figures, now.found, self._look("prices"))
        answer = await self._ask(now, "router", question)
        if answer is None:
            return
        try:
            now.new = changed(now.policy, wishes_of(now.policy, answer))
        except RequestError as error:
            now.ended = f"limits: {error}"

    async def safety(self, now: Round) -> None:
        """A second look at a draft that is within the limits; it can only end the round."""
        assert now.new is not None, "the router's step ended the round otherwise"  # noqa: S101 - an invariant
        answer = await self._ask(now, "safety", safety_question(now.policy, now.new, now.found))
        if answer is not None and answer["verdict"] != "approve":
            now.ended = f"safety: {answer['concern']}"

    async def simulate(self, now: Round) -> None:
        """What past requests say of it."""
        assert now.new is not None, "see safety"  # noqa: S101 - an invariant
        try:
            now.evidence = await self._desk.ways.simulate(now.new, now.policy)
        except StoreError as error:
            now.ended = f"simulation: {error}"
            return
        verdict = str(now.evidence.get("verdict"))
        self.note(now, {"step": "simulate", "verdict": verdict, "why": now.evidence.get("why")})
        if verdict == WORSE:
            now.ended = "simulation: worse"

    async def store(self, now: Round) -> None:
        """Kept for a person, or tried where the policy allows it."""
        assert now.new is not None, "see safety"  # noqa: S101 - an invariant
        in_force = self._desk.ways.rollout()
        if in_force.stable.sha256 != now.policy.sha256 or in_force.canary is not None:
            now.ended = "store: the policy changed meanwhile"
            return
        pattern = now.found["monitor"]
        why = f"{pattern['pattern']} at {pattern['target']} ({now.why})"
        try:
            drafted = self._desk.drafted(now.new, now.policy, by=AGENTS, why=why, evidence=now.evidence)
            now.proposal = replace(drafted, steps=tuple(now.steps))
            await self._desk.keep(now.proposal)
            await self._desk.try_out(now.proposal)
        except TierwiseError as error:
            now.ended = f"store: {error}"

    async def _ask(self, now: Round, agent: str, question: Question) -> Mapping[str, Any] | None:
        """The agent's answer; None when there is none, and the round then ends."""
        key = fingerprint((now.id.encode(), question.agent.encode(), question.text.encode()))
        asking = Asking(key=key, question=question, tenant=OPERATOR, policy=now.policy)
        answered = await self._asker.ask(asking, PATIENCE_S)
        if answered is None:
            now.ended = f"{agent}: no answer"
            return None
        now.found[agent] = answered.values
        self.note(now, _told(agent, question, answered))
        sure = answered.values[CONFIDENCE]
        if not isinstance(sure, float) or sure < LEAST_SURE:
            now.ended = f"{agent}: not sure"
            return None
        return answered.values

    def _look(self, name: str) -> Look:
        tool = next(tool for tool in self._eyes.tools if tool.name == name)
        return Look(name=tool.name, meaning=tool.meaning, text=tool.call())

    def note(self, now: Round, told: Mapping[str, Any]) -> None:
        """Leave a record of a step."""
        now.steps.append(told)
        ways = self._desk.ways
        ways.events.emit(
            {
                "kind": "proposal_step",
                "schema": SCHEMA,
                "time": ways.clock.now_s(),
                "round": now.id,
                "policy_sha256": now.policy.sha256,
                **told,
            }
        )


class Background:
    """Looks when it is time, if this replica is the one."""

    def __init__(self, steps: Steps, desk: ProposalDesk, lately: Lately, walk: Walk | None = None) -> None:
        self._steps, self._desk, self._lately, self._walk = steps, desk, lately, walk
        self._book: ProposalBook = desk.book

    async def turn(self) -> Round | None:
        """One look where one is due and nobody else takes it. Raises `StoreError` while the shared state is away."""
        now = self._desk.ways.rollout()
        every_s = now.stable.proposals.every_h * 3600.0
        if now.stable.proposals.mode == OFF or now.canary is not None:
            return None
        if await self._book.due(every_s) is None or not await self._book.lead():
            return None
        try:
            # Whoever led before may have looked between the two questions.
            why = await self._book.due(every_s)
            if why is None:
                return None
            await self._book.looked()
            return await self.look(why)
        finally:
            await self._book.done()

    async def look(self, why: str) -> Round:
        """One round now, whoever else looks."""
        now = Round(
            id=f"round_{secrets.token_hex(8)}",
            why=" ".join(why.split())[:200],
            policy=self._desk.ways.rollout().stable,
            figures=self._lately.shown(),
        )
        if not now.figures["targets"]:
            now.ended = "monitor: nothing was asked lately"
        else:
            await (self._walk or await _strands())(self._steps, now)
        said = now.ended or f"proposal {now.proposal.id if now.proposal else ''}"
        self._steps.note(now, {"step": "end", "why": now.why, "said": said[:500]})
        _log.info("policy round %s: %s", now.id, said)
        return now


async def _strands() -> Walk:
    """The graph; loading it takes seconds, so on a thread. Raises `StoreError` where its package is missing."""
    try:
        module = await asyncio.to_thread(import_module, "agents.deliberation.background_graph")
    except ImportError as error:
        raise StoreError(f"the graph of agents cannot be loaded: {error.name}") from None
    walk: Walk = module.walk
    return walk


def _told(agent: str, question: Question, answered: Answered) -> dict[str, Any]:
    return {
        "step": agent,
        "model": answered.model,
        "prompt": question.prompt.label,
        "answer": dict(answered.values),
        "latency_ms": answered.latency_ms,
        "cost_usd": answered.cost_usd,
    }
