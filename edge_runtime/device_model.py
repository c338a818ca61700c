"""The device tier behind the core's ports: commands and sentence vectors from the shipped ONNX model.

It refuses rather than guesses: an unsure reading is a `RefusedError`, which sends the request to the next target.
The engine runs on its owner thread only; a full queue is "throttled", never a wait without end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

from edge_runtime.engines.onnx_intent import OnnxIntentEngine, Parse
from edge_runtime.engines.owner import OwnerBusyError, OwnerClosedError, OwnerThread
from router_core.errors import RefusedError, ThrottledError, TimeoutTargetError, UnavailableError
from router_core.execution import Choice, Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.inference import Message
from router_core.ports import EmbedCall, ModelCall, Reading
from router_core.signals.tokens import estimate_tokens

Result = TypeVar("Result")
DIMENSIONS = 384


class OnnxDeviceModel:
    """`Model` and `Embedder`. An answer is refused below the call's `min_confidence`, and always below the confidence
    the model was calibrated for; `count` counts tokens of a text (an estimate when not given)."""

    def __init__(
        self,
        engine: OnnxIntentEngine,
        owner: OwnerThread,
        *,
        count: Callable[[str], int] | None = None,
    ) -> None:
        self._engine, self._owner = engine, owner
        self._count = count or estimate_tokens
        self._estimated = count is None

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """Commands as structure and as compact JSON text. Raises `RefusedError` when unsure or asked for anything
        else, `ThrottledError`, `TimeoutTargetError`, `UnavailableError`."""
        _refuse_what_is_not_a_command(call)
        parse, text, tokens = await self._run(
            call.timeout_s, self._parse, last_user_text(call.messages), call.min_confidence
        )
        if not parse.known:
            raise RefusedError(f"the device model is not sure enough: {parse.reason}")
        return ModelAnswer(
            choices=(Choice(text=text),),
            usage=Usage(prompt_tokens=parse.tokens_in, completion_tokens=tokens, estimated=self._estimated),
            json=parse.as_json(),
            confidence=parse.confidence,
        )

    async def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """The answer as one chunk, then its usage: a command is only useful whole."""
        answer = await self.generate(call)
        yield Chunk(text=answer.choices[0].text or "", finish_reason="stop", json=answer.json)
        yield Chunk(usage=answer.usage)

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer:
        """Unit vectors of 384 numbers. Raises as `generate`; another number of dimensions is refused."""
        if call.dimensions not in (None, DIMENSIONS):
            raise RefusedError(f"the device model gives vectors of {DIMENSIONS} dimensions only")
        vectors, tokens = await self._run(call.timeout_s, self._embed, call.inputs)
        return EmbeddingAnswer(
            vectors=vectors, usage=Usage(prompt_tokens=tokens, completion_tokens=0, estimated=self._estimated)
        )

    def _parse(self, text: str, min_confidence: float) -> tuple[Parse, str, int]:
        parse = self._engine.parse(text, threshold=max(min_confidence, self._engine.threshold))
        answer = json.dumps(parse.as_json(), separators=(",", ":"), ensure_ascii=False)
        return parse, answer, self._count(answer) if parse.known else 0

    def _embed(self, texts: Sequence[str]) -> tuple[tuple[tuple[float, ...], ...], int]:
        rows = self._engine.embed(texts).tolist()
        return tuple(tuple(row) for row in rows), sum(self._count(text) for text in texts)

    async def _run(self, timeout_s: float, work: Callable[..., Result], *arguments: Any) -> Result:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._owner.run(work, *arguments)
        except TimeoutError as error:
            raise TimeoutTargetError("the device model did not answer in time") from error
        except OwnerBusyError as error:
            raise ThrottledError("the device model's queue is full") from error
        except OwnerClosedError as error:
            raise UnavailableError("the device model is shutting down") from error


class DeviceProbe:
    """`HealthProbe` of a model in this process: up for as long as its thread takes calls."""

    def __init__(self, owner: OwnerThread) -> None:
        self._owner = owner

    async def probe(self) -> Reading:
        """Waiting calls are not reported: each takes milliseconds, so a queue of five is no sign of load."""
        try:
            await self._owner.run(lambda: None)
        except OwnerBusyError:
            return Reading(up=True, detail="its queue is full")
        except OwnerClosedError:
            return Reading(up=False, detail="shutting down")
        return Reading(up=True, rtt_ms=0.0, detail="in this process")


def last_user_text(messages: Sequence[Message]) -> str:
    """Text of the last user turn, parts joined; empty when there is none."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            return "\n".join(part.get("text", "") for part in content or () if part.get("type") == "text")
    return ""


def _refuse_what_is_not_a_command(call: ModelCall) -> None:
    if call.task != "command":
        raise RefusedError(f"the device model answers commands, not {call.task}")
    if call.continuation is not None or not call.params.continuable:
        raise RefusedError("the device model gives one plain answer: no tools, no schema, no continuation")
