"""Stand-ins for what thinks, and decisions to think about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.context import ContextAgent
from agents.deliberation.asking import Question, Role, Thinker, Thought
from agents.deliberation.deliberator import Deliberator, Home
from agents.weighing import Weighing
from router_core.adapters.memory.ledger import MemoryLedger
from router_core.inference import InferenceRequest
from router_core.policy.document import Policy
from router_core.policy.parse import from_document
from router_core.ports import Ledger
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing.decide import decide
from router_core.routing.table import compile_table
from tests.fakes import FakeClock
from tests.unit.agents.house import CLOUD, DEVICE, MEC, ask

ALWAYS = dict.fromkeys(("simple", "complex", "critical", "batch"), "always")
HANGS = "hangs"
SPECS = (DEVICE, MEC, CLOUD)
TOKENS_IN, TOKENS_OUT = 1000, 20


def policy(agents: Mapping[str, Any] | None = None, **limits: Any) -> Policy:
    """A policy in which the router agent always asks, unless said otherwise."""
    wanted = {"router": {**ALWAYS, "budget_ms": 80.0}} if agents is None else agents
    return from_document({"deliberation": wanted, "deliberation_limits": limits})


@dataclass
class FakeThinker:
    """Answers what it is told for each agent: the answer's values, an error to raise, `HANGS`, or a function of the question."""

    says: dict[str, Any] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    price_in: float = 0.8
    used: tuple[int, int] = (TOKENS_IN, TOKENS_OUT)

    async def think(self, question: Question) -> Thought:
        self.asked.append(question)
        said = self.says.get(question.agent)
        if callable(said):
            said = said(question)
        if isinstance(said, Awaitable):
            said = await said
        if said == HANGS:
            await self.goes_on.wait()
            said = right(question)
        if isinstance(said, Exception):
            raise said
        await asyncio.sleep(0)
        return Thought(
            values=said or right(question),
            model="nova",
            input_tokens=self.used[0],
            output_tokens=self.used[1],
        )

    def warm(self) -> None:
        return None

    def price_usd(self, role: Role, input_tokens: int, output_tokens: int) -> float:
        return (self.price_in * input_tokens + 4 * self.price_in * output_tokens) / 1e6


def right(question: Question) -> dict[str, Any]:
    """A well-formed answer: the last word of every list, halves for numbers."""
    values: dict[str, Any] = {choice.name: choice.words[-1] for choice in question.form.choices}
    return {**values, **{name: 0.5 for name, _ in question.form.fractions}, "confidence": 0.9}


def prefers(target: str) -> Callable[[Question], dict[str, Any]]:
    """Says this target, permitted or not."""
    return lambda question: {**right(question), "target": target}


class RunningClock(FakeClock):
    """Time that passes, from a day that is known."""

    def monotonic_s(self) -> float:
        return time.perf_counter()


def deliberator(
    thinker: Thinker,
    ledger: Ledger | None = None,
    specs: tuple[TargetSpec, ...] = SPECS,
    clock: FakeClock | None = None,
) -> Deliberator:
    home = Home(groups=("us", "eu"), specs={spec.name: spec for spec in specs})
    return Deliberator(thinker, ledger or MemoryLedger(), clock or FakeClock(), home)


def weighing(
    request: InferenceRequest | None = None,
    rules: Policy | None = None,
    specs: tuple[TargetSpec, ...] = SPECS,
) -> Weighing:
    """A request and its fast decision, all targets up."""
    wanted, given = request or ask(), rules or policy()
    context = ContextAgent().read(wanted, given)
    up = tuple(Target(spec=spec, state=TargetState(health="up")) for spec in specs)
    table = compile_table(ResourceState.of(up), given)
    return Weighing(
        request=wanted, context=context, decision=decide(context, table), table=table, inflight=()
    )
