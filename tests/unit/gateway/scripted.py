"""A router that answers by script: deterministic, and it remembers what it was asked and whether it was stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace

from agents.resource import TargetView
from router_core.decision import Prediction, RoutingDecision
from router_core.errors import TierwiseError
from router_core.execution import (
    Attempt,
    Choice,
    Chunk,
    DeviceOutcome,
    Handoff,
    Output,
    Served,
    Usage,
)
from router_core.inference import (
    EmbedRequest,
    InferenceRequest,
    InferenceResponse,
    Opened,
    Plan,
    StreamEvent,
    Timings,
)
from router_core.policy.document import Policy
from router_core.policy.rollout import Rollout

SERVED = Served(target="mec/edge-a", tier="mec", model="llama-3.1-8b")
TEXT = "The lights are off."
USAGE = Usage(prompt_tokens=9, completion_tokens=5)


def decision(request_id: str) -> RoutingDecision:
    """A decision as the real router makes them."""
    return RoutingDecision(
        request_id=request_id,
        target="mec/edge-a",
        tier="mec",
        model="llama-3.1-8b",
        request_class="simple",
        confidence=0.9,
        risk="low",
        scores={"mec/edge-a": 0.8, "device/intent-v1": 0.5},
        rejected={"cloud/nova-pro": "privacy: residency eu"},
        unlisted=0,
        fallbacks=("device/intent-v1",),
        propensity=1.0,
        decided_by="fast",
        policy="default@1",
        policy_sha256="p" * 64,
        state_sha256="s" * 64,
        prediction=Prediction(latency_ms=40.0, cost_usd=0.0, energy_j=1.0, quality=0.8),
    )


def response(request: InferenceRequest | EmbedRequest, output: Output | None) -> InferenceResponse:
    """A completed answer with that output."""
    return InferenceResponse(
        request_id=request.request_id,
        status="completed",
        stage="COMPLETED",
        output=output,
        usage=USAGE,
        decision=decision(request.request_id),
        served=SERVED,
        attempts=(Attempt(target="mec/edge-a", outcome="ok", latency_ms=12.5),),
        timings=Timings(context_ms=0.05, decision_ms=0.06, execution_ms=12.5, total_ms=12.7),
        cost_usd=0.000012,
        energy_j=0.4,
        cache="miss",
    )


def text_output(request: InferenceRequest, text: str = TEXT) -> Output:
    return Output(choices=tuple(Choice(index=i, text=text) for i in range(request.params.n)))


def text_chunks(request: InferenceRequest) -> list[Chunk | Handoff]:
    """The text word by word, for every choice in turn."""
    words = TEXT.split(" ")
    pieces: list[Chunk | Handoff] = []
    for index in range(request.params.n):
        pieces += [Chunk(index=index, text=word if not i else f" {word}") for i, word in enumerate(words)]
        pieces.append(Chunk(index=index, finish_reason="stop"))
    return pieces


@dataclass(kw_only=True)
class ScriptedRouter:
    """`fails` is raised instead of answering; `breaks` is raised in the middle of a stream, after `pieces`.
    `wait_s` is slept before an answer and between the pieces of a stream."""

    fails: Exception | None = None
    breaks: Exception | None = None
    output: Callable[[InferenceRequest], Output] = text_output
    pieces: Callable[[InferenceRequest], list[Chunk | Handoff]] = text_chunks
    vectors: tuple[tuple[float, ...], ...] = ()
    plan: Plan | None = None
    wait_s: float = 0.0
    asked: list[InferenceRequest] = field(default_factory=list)
    embedded: list[EmbedRequest] = field(default_factory=list)
    judged: list[tuple[str, str, str, float, int]] = field(default_factory=list)
    scores: list[tuple[str, str, str, float]] = field(default_factory=list)
    reported: list[tuple[str, str, str, DeviceOutcome]] = field(default_factory=list)
    drained: dict[str, bool] = field(default_factory=dict)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        self.asked.append(request)
        try:
            if self.wait_s:
                await asyncio.sleep(self.wait_s)
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        if self.fails is not None:
            raise self.fails
        done = response(request, self.output(request))
        if self.plan is not None:
            return replace(done, status="execute_on_device", plan=self.plan, output=None)
        return done

    async def stream(self, request: InferenceRequest) -> AsyncGenerator[StreamEvent, None]:
        self.asked.append(request)
        try:
            if self.fails is not None:
                raise self.fails
            yield Opened(decision=decision(request.request_id), served=SERVED, cache="miss")
            for piece in self.pieces(request):
                yield piece
                if self.wait_s:
                    await asyncio.sleep(self.wait_s)
            if self.breaks is not None:
                raise self.breaks
            yield response(request, self.output(request))
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped.set()
            raise

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        self.asked.append(request)
        if self.fails is not None:
            raise self.fails
        return replace(response(request, None), attempts=(), usage=Usage())

    async def embed(self, request: EmbedRequest) -> InferenceResponse:
        self.embedded.append(request)
        if self.fails is not None:
            raise self.fails
        vectors = self.vectors or tuple((float(len(text)), 0.5, -0.25) for text in request.inputs)
        return response(request, Output(choices=(), vectors=vectors))

    async def feedback(
        self, tenant: str, request_id: str, target: str, score: float, comment_length: int
    ) -> None:
        self.judged.append((tenant, request_id, target, score, comment_length))

    async def scored(self, tenant: str, request_id: str, target: str, score: float) -> None:
        self.scores.append((tenant, request_id, target, score))

    async def outcome(self, tenant: str, request_id: str, target: str, report: DeviceOutcome) -> None:
        self.reported.append((tenant, request_id, target, report))

    def targets(self) -> tuple[TargetView, ...]:
        return ()

    def drain(self, target: str, draining: bool) -> None:
        self.drained[target] = draining

    def rollout(self) -> Rollout:
        return Rollout(stable=Policy())


class OpenLimiter:
    """Admits everything, or raises what it was told to; remembers what was settled."""

    def __init__(self, refuses: TierwiseError | None = None) -> None:
        self.refuses = refuses
        self.admitted: list[tuple[str, int]] = []
        self.settled: list[tuple[str, int, int]] = []

    async def admit(self, key_id: str, tokens: int) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.admitted.append((key_id, tokens))

    async def settle(self, key_id: str, estimated: int, used: int) -> None:
        self.settled.append((key_id, estimated, used))
