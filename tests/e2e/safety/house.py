"""The whole gateway over fakes: real agents, real HTTP, models that say what they are told, a guard that objects to one word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agents.assembly import Ports, Router, assemble
from agents.guarding.outside import Guards, PlacedGuard
from agents.weighing import Deliberating
from gateway.http.app import create_app
from gateway.http.edge import Gateway
from router_core.errors import StoreError
from router_core.execution import Choice, Chunk, ModelAnswer, Usage
from router_core.policy.parse import from_document
from router_core.policy.rollout import Rollout
from router_core.ports import GuardCall, GuardVerdict, ModelCall
from router_core.resources import TargetSpec
from tests.fakes import FakeClock, FakeEmbedder, FakeEvents, FakeResponses, FixedPolicy
from tests.unit.agents.house import CLOUD, DEVICE, MEC
from tests.unit.gateway.asgi import dependencies
from tests.unit.gateway.scripted import OpenLimiter, ScriptedRouter

POISON = "forbidden-fruit"
CARD = "4111 1111 1111 1111"
MAIL = "jane.doe@example.com"
USAGE = Usage(prompt_tokens=11, completion_tokens=7)


@dataclass
class Talker:
    """A model that says `says`, or repeats what it was told last; tools, if it has any, are given the same."""

    says: str | None = None
    calls: list[ModelCall] = field(default_factory=list)
    finished: int = 0

    def _choices(self, call: ModelCall) -> list[Choice]:
        self.calls.append(call)
        text = self.says if self.says is not None else _last(call)
        if call.params.tools:
            arguments = json.dumps({"text": text}, ensure_ascii=False)
            used = {"id": "call_1", "type": "function", "function": {"name": "note", "arguments": arguments}}
            return [
                Choice(index=i, tool_calls=(used,), finish_reason="tool_calls") for i in range(call.params.n)
            ]
        return [Choice(index=i, text=text) for i in range(call.params.n)]

    async def generate(self, call: ModelCall) -> ModelAnswer:
        await asyncio.sleep(0)
        return ModelAnswer(choices=tuple(self._choices(call)), usage=USAGE)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        for choice in self._choices(call):
            for piece in _pieces(choice.text or ""):
                yield Chunk(index=choice.index, text=piece)
            for used in choice.tool_calls:
                head = {"index": 0, "id": used["id"], "type": "function"}
                yield Chunk(
                    index=choice.index, tool_calls=({**head, "function": {"name": "note", "arguments": ""}},)
                )
                for piece in _pieces(used["function"]["arguments"]):
                    yield Chunk(
                        index=choice.index, tool_calls=({"index": 0, "function": {"arguments": piece}},)
                    )
            yield Chunk(index=choice.index, finish_reason=choice.finish_reason)
            await asyncio.sleep(0)
        self.finished += 1
        yield Chunk(usage=USAGE)

    @property
    def seen(self) -> str:
        """Everything that any call showed it."""
        return repr([(call.messages, call.params, call.user) for call in self.calls])


def _last(call: ModelCall) -> str:
    content = call.messages[-1].get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or ())


def _pieces(text: str) -> list[str]:
    """Three characters at a time, so that everything straddles a border."""
    return [text[i : i + 3] for i in range(0, len(text), 3)]


@dataclass
class OneWord:
    """A guard that objects to `POISON`; it may be down."""

    down: bool = False
    calls: list[GuardCall] = field(default_factory=list)

    async def judge(self, call: GuardCall) -> GuardVerdict:
        self.calls.append(call)
        if self.down:
            raise StoreError("away")
        hit = POISON in call.text
        return GuardVerdict(flagged=hit, categories={"violence": 0.9 if hit else 0.01})


@dataclass
class House:
    """One gateway under a policy's `guard`."""

    guard: Mapping[str, Any]
    tier: str = "mec"
    groups: tuple[str, ...] = ("eu",)
    judge: OneWord = field(default_factory=OneWord)
    models: dict[str, Talker] = field(default_factory=dict)
    embedder: FakeEmbedder = field(default_factory=FakeEmbedder)
    events: FakeEvents = field(default_factory=FakeEvents)
    responses: FakeResponses = field(default_factory=FakeResponses)
    specs: tuple[TargetSpec, ...] = (replace(DEVICE, tasks=("embed",)), MEC, CLOUD)
    policy: Mapping[str, Any] = field(default_factory=dict)
    thinking: Deliberating | None = None

    def router(self) -> Router:
        rules = from_document(
            {"guard": self.guard, "tiers": {"cloud": {"max_privacy": "confidential"}}, **self.policy}
        )
        self.models = {spec.name: Talker() for spec in self.specs}
        placed = PlacedGuard(guard=self.judge, tier=self.tier, groups=self.groups)
        return assemble(
            self.specs,
            Ports(
                models=self.models,
                embedders={spec.name: self.embedder for spec in self.specs if "embed" in spec.tasks},
                probes={},
                responses=self.responses,
                events=self.events,
                policy=FixedPolicy(Rollout(stable=rules)),
                clock=FakeClock(),
                guards=Guards(placed={"judge": placed}),
                thinking=self.thinking,
            ),
        )

    async def app(self, says: str | None = None) -> Gateway:
        made = self.router()
        await made.look()
        for model in self.models.values():
            model.says = says
        self.made = made
        given = dependencies(ScriptedRouter(), OpenLimiter())
        return create_app(replace(given, router=made, catalogue=self.specs))

    @property
    def seen(self) -> str:
        """Everything that any target was shown."""
        return "".join(model.seen for model in self.models.values()) + repr(self.embedder.calls)

    @property
    def kept(self) -> str:
        """Everything that was written down: records and the cache."""
        return repr(self.events.records) + repr(self.responses.entries)
