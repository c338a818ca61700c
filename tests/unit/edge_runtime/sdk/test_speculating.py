"""The device works while the gateway is asked: whoever is first and sure answers, the other stops, and what stays never leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from edge_runtime.protocol.bundle import Bundle
from edge_runtime.sdk.answering import Answering
from edge_runtime.sdk.answers import Wishes
from edge_runtime.sdk.body import request_of
from edge_runtime.sdk.deciding import DeviceRouter, Turn
from edge_runtime.sdk.errors import ClientError, OfflineError
from edge_runtime.sdk.forms import Known
from edge_runtime.sdk.home import Home
from edge_runtime.sdk.link import GatewayLink, Said
from edge_runtime.sdk.outbox import Item
from router_core.errors import NoTargetError, RefusedError
from router_core.execution import Choice, Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.inference import Device, Network
from router_core.policy.document import Policy
from router_core.policy.verification import Hedge
from router_core.ports import EmbedCall, ModelCall
from router_core.resources import ResourceState, Target, TargetState
from tests.e2e.device.house import CLOUD_SPEC, DEVICE_SPEC

HERE = replace(DEVICE_SPEC, quality={"command": 0.6})
AWAY = replace(CLOUD_SPEC, quality={"command": 0.99}, ttft_ms=20.0, decode_ms=0.1)
SENTENCE = "set a timer for 5 minutes"


class Gates:
    """Holds one side back until it is let go, and notes what became of it."""

    def __init__(self, *, open_at_once: bool) -> None:
        self.gate, self.begun = asyncio.Event(), asyncio.Event()
        self.cancelled = False
        if open_at_once:
            self.gate.set()

    async def passed(self) -> None:
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


class Models(Gates):
    """The device's model; `confidence` None: it cannot tell. An error is raised in its place."""

    confidence: float | None = 0.97
    error: Exception | None = None

    async def generate(self, model: str, call: ModelCall) -> ModelAnswer:
        await self.passed()
        if self.error is not None:
            raise self.error
        usage = Usage(prompt_tokens=4, completion_tokens=3)
        return ModelAnswer(choices=(Choice(text="here"),), usage=usage, confidence=self.confidence)

    async def stream(self, model: str, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text=(await self.generate(model, call)).choices[0].text or "")

    async def embed(self, model: str, call: EmbedCall) -> EmbeddingAnswer:
        raise RefusedError("no vectors")


class Link(Gates):
    """The gateway, or an error in its place."""

    error: ClientError | None = None
    calls = 0

    async def send(self, path: str, body: Mapping[str, Any], **_: Any) -> Said:
        self.calls += 1
        await self.passed()
        if self.error is not None:
            raise self.error
        routing = {"tier": "cloud", "target": "cloud/big", "model": "big", "confidence": 0.9}
        answer = {"request_id": "req_1", "output": {"text": "away"}, "routing": routing}
        return Said(status=200, body=answer, raw=b"", etag=None, retry_after_s=None)


class Site:
    def __init__(self, *, here_first: bool, policy: Policy | None = None) -> None:
        self.models, self.link = Models(open_at_once=here_first), Link(open_at_once=not here_first)
        self.kept: list[Item] = []
        self.reported = asyncio.Event()
        self._answering = Answering(Home(self.models), cast("GatewayLink", self.link), self._keep)
        self.router = DeviceRouter((HERE,), policy or Policy())
        state = ResourceState.of(
            tuple(Target(spec=spec, state=TargetState(health="up")) for spec in (HERE, AWAY))
        )
        self.router.obey(
            Bundle(serial=1, issued_s=0.0, expires_s=1.0, policy=policy or Policy(), state=state)
        )

    def turn(self, **wishes: Any) -> Turn:
        wished = cast("Wishes", {"task": "command", "optimize": "quality", **wishes})
        request = request_of(SENTENCE, wished, Device(executes=True), Network())
        return self.router.decide(request, self.router.read(request), trusted=True)

    async def ask(self, **wishes: Any) -> Known:
        turn = self.turn(**wishes)
        return await self._answering.answer(turn, cast("Wishes", wishes), "signed")

    @property
    def told(self) -> list[str]:
        return [str(item.body["status"]) for item in self.kept]

    async def _keep(self, item: Item) -> None:
        await asyncio.sleep(0)
        self.kept.append(item)
        self.reported.set()


async def test_a_sure_answer_of_the_device_is_taken_and_the_call_ends() -> None:
    site = Site(here_first=True)
    assert site.turn().decision.target == "cloud/big"
    known = await site.ask(speculate=True)
    assert (known.answer.text, known.answer.tier, known.answer.decision) == ("here", "device", "cloud/big")
    assert site.link.cancelled
    assert site.told == ["completed"]


async def test_the_gateways_answer_is_taken_and_the_device_stops() -> None:
    site = Site(here_first=False)
    known = await site.ask(speculate=True)
    assert (known.answer.text, known.answer.tier) == ("away", "cloud")
    assert site.models.cancelled
    assert site.told == ["cancelled"]


async def test_a_model_that_cannot_tell_how_sure_it_is_waits_for_the_gateway() -> None:
    site = Site(here_first=True)
    site.models.confidence = None
    asked = asyncio.create_task(site.ask(speculate=True))
    await site.link.begun.wait()
    await site.reported.wait()
    assert not asked.done()
    site.link.gate.set()
    assert (await asked).answer.text == "away"
    assert site.told == ["completed"]


async def test_its_answer_counts_when_the_gateway_fails() -> None:
    site = Site(here_first=True)
    site.models.confidence, site.link.error = None, OfflineError("gone")
    site.link.gate.set()
    known = await site.ask(speculate=True)
    assert known.answer.text == "here"
    assert [each.reason for each in known.answer.fallbacks] == ["offline"]


async def test_a_device_that_refuses_leaves_the_answer_to_the_gateway() -> None:
    site = Site(here_first=True)
    site.models.error = RefusedError("not sure")
    site.link.gate.set()
    known = await site.ask(speculate=True)
    assert (known.answer.text, known.answer.fallbacks) == ("away", ())
    assert site.told == ["failed"]


async def test_both_fail_and_the_missing_connection_speaks() -> None:
    site = Site(here_first=True)
    site.models.error, site.link.error = RefusedError("not sure"), OfflineError("gone")
    site.link.gate.set()
    with pytest.raises(OfflineError):
        await site.ask(speculate=True)


async def test_a_caller_that_leaves_stops_both() -> None:
    site = Site(here_first=True)
    site.models.gate.clear()
    asked = asyncio.create_task(site.ask(speculate=True))
    await asyncio.gather(site.link.begun.wait(), site.models.begun.wait())
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert site.link.cancelled
    assert site.models.cancelled


@pytest.mark.parametrize("wishes", [{"privacy": "restricted"}, {"tiers": ("device",)}])
async def test_what_stays_asks_nobody(wishes: dict[str, Any]) -> None:
    site = Site(here_first=True)
    known = await site.ask(speculate=True, **wishes)
    assert known.answer.tier == "device"
    assert site.link.calls == 0


async def test_what_stays_and_is_refused_here_is_refused() -> None:
    site = Site(here_first=True)
    site.models.error = RefusedError("not sure")
    with pytest.raises(ClientError):
        await site.ask(speculate=True, privacy="restricted")
    assert site.link.calls == 0


async def test_without_the_wish_the_device_does_not_run_and_the_policy_may_wish_it() -> None:
    plain = Site(here_first=False)
    await plain.ask()
    assert not plain.models.begun.is_set()
    classes = ("simple", "complex", "critical", "batch")
    by_policy = Site(here_first=True, policy=replace(Policy(), hedge=Hedge(speculative=classes)))
    assert (await by_policy.ask()).answer.text == "here"
    unwished = Site(here_first=False, policy=replace(Policy(), hedge=Hedge(speculative=classes)))
    assert (await unwished.ask(speculate=False)).answer.text == "away"
    assert not unwished.models.begun.is_set()


def test_a_tier_that_the_caller_forbids_is_not_run_ahead() -> None:
    site = Site(here_first=True)
    turn = site.turn(tiers=("cloud",))
    assert turn.decision.fallbacks == ()
    with pytest.raises(NoTargetError):
        site.turn(tiers=("mec",))
