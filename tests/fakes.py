"""Hand-written stand-ins for the ports, one per port, scripted by the test that uses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router_core.execution import Choice, Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.policy.rollout import Rollout
from router_core.ports import EmbedCall, ModelCall, Reading


class FakeClock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def now_s(self) -> float:
        return 1_700_000_000.0 + self.now

    def monotonic_s(self) -> float:
        return self.now


def text_answer(text: str, usage: Usage | None = None) -> ModelAnswer:
    return ModelAnswer(
        choices=(Choice(text=text),),
        usage=usage or Usage(prompt_tokens=10, completion_tokens=len(text.split())),
    )


@dataclass
class FakeModel:
    """Plays `script` in order, the last step for ever: an answer, an error to raise, or a list of stream steps
    (chunks, errors, seconds to wait)."""

    script: Sequence[Any]
    calls: list[ModelCall] = field(default_factory=list)
    closed: int = 0

    def _step(self, call: ModelCall) -> Any:
        self.calls.append(call)
        return self.script[min(len(self.calls), len(self.script)) - 1]

    async def generate(self, call: ModelCall) -> ModelAnswer:
        step = self._step(call)
        if isinstance(step, float):
            await asyncio.sleep(step)
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, ModelAnswer)
        return step

    async def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        try:
            for step in self._step(call):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.closed += 1


def words(text: str, *, finish: str | None = "stop", usage: Usage | None = None) -> list[Any]:
    """A text as the chunks of a stream."""
    parts: list[Any] = [Chunk(text=word) for word in text.split("|")]
    if finish is not None:
        parts.append(Chunk(finish_reason=finish))
    return parts if usage is None else [*parts, Chunk(usage=usage)]


@dataclass
class FakeEmbedder:
    """Vectors that depend on the text's length alone."""

    calls: list[EmbedCall] = field(default_factory=list)

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer:
        self.calls.append(call)
        vectors = tuple((float(len(text)), 1.0) for text in call.inputs)
        return EmbeddingAnswer(vectors=vectors, usage=Usage(prompt_tokens=3))


@dataclass
class FakeProbe:
    reading: Reading

    async def probe(self) -> Reading:
        return self.reading


@dataclass
class FakeEvents:
    """Keeps every record."""

    records: list[Mapping[str, Any]] = field(default_factory=list)
    dropped: int = 0

    def emit(self, record: Mapping[str, Any]) -> None:
        self.records.append(record)

    async def close(self) -> None:
        return None

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [record for record in self.records if record["kind"] == kind]


@dataclass
class FakeResponses:
    """A cache without limits."""

    entries: dict[str, bytes] = field(default_factory=dict)

    async def get(self, key: str) -> bytes | None:
        return self.entries.get(key)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self.entries[key] = value

    async def evict(self, key: str) -> None:
        self.entries.pop(key, None)


@dataclass
class FixedPolicy:
    """Gives what it was given; a test changes `given` to roll another policy out."""

    given: Rollout
    refused: int = 0

    def rollout(self) -> Rollout:
        return self.given
