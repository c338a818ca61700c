"""The device tier's language model behind the core's port: chat and everything that is asked like it.

What the engine cannot do is refused, which sends the request to the next target: tools, pictures, several choices, log
probabilities. A `seed` is not followed: the engine draws by itself where it batches. A caller that leaves cancels the
generation with its next token.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from edge_runtime.language.engine import (
    EngineBusyError,
    EngineClosedError,
    LanguageEngine,
    Piece,
    PromptError,
    Wanted,
)
from edge_runtime.language.stops import StopStrings
from router_core.errors import RefusedError, TargetError, ThrottledError, TimeoutTargetError, UnavailableError
from router_core.execution import Choice, Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.inference import Message, Params
from router_core.ports import EmbedCall, ModelCall, Reading

DEFAULT_TOKENS: Final = 256
MOST_SCHEMA_CHARS: Final = 32_768
_ANY_OBJECT: Final = {"type": "object"}
_TIGHT: Final = {"x-guidance": {"whitespace_flexible": False}}
"""Without it a weak model may fill its whole length with the white space that a schema allows."""


class LanguageModel:
    """`Model` and `HealthProbe` over one engine; `Embedder` only to refuse."""

    def __init__(self, engine: LanguageEngine) -> None:
        self._engine = engine

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """The whole answer. Raises `RefusedError`, `ThrottledError`, `TimeoutTargetError`, `UnavailableError`."""
        try:
            async with asyncio.timeout(call.timeout_s):
                pieces = [piece async for piece in self._pieces(call)]
        except TimeoutError as error:
            raise TimeoutTargetError("the device's language model did not answer in time") from error
        text, last = "".join(piece.text for piece in pieces), pieces[-1]
        return ModelAnswer(
            choices=(Choice(text=text, finish_reason=last.finish or "stop"),),
            usage=_usage(last),
            json=_object(text) if call.params.wants_json else None,
        )

    async def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """Chunks as they come, then the usage. Raises as `generate`."""
        limit = call.timeout_s
        async with aclosing(self._pieces(call)) as pieces:
            while (piece := await _next(pieces, limit)) is not None:
                limit = call.idle_s
                if piece.text:
                    yield Chunk(text=piece.text)
                if piece.finish is not None:
                    yield Chunk(finish_reason=piece.finish)
                    yield Chunk(usage=_usage(piece))

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer:
        """Raises `RefusedError`."""
        raise RefusedError("this device model gives no vectors")

    async def probe(self) -> Reading:
        """Up as long as it takes calls."""
        if self._engine.closed:
            return Reading(up=False, detail="closed, or failed")
        return Reading(up=True, rtt_ms=0.0, running=self._engine.waiting, detail="in this process")

    async def _pieces(self, call: ModelCall) -> AsyncGenerator[Piece, None]:
        """Pieces without what follows a stop string; the engine is told when nobody reads on."""
        said: asyncio.Queue[Piece] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        ticket = self._started(call, lambda piece: _post(loop, said, piece))
        stops = StopStrings(_stop(call.params))
        try:
            while True:
                piece = await said.get()
                if piece.error is not None:
                    raise _target_error(piece.error)
                text, stopped = stops.passed(piece.text, last=piece.finish is not None)
                if stopped:
                    self._engine.cancel(ticket)
                    yield Piece(text=text)
                    yield await _ended(said)
                    return
                yield Piece(
                    text=text,
                    finish=piece.finish,
                    prompt_tokens=piece.prompt_tokens,
                    completion_tokens=piece.completion_tokens,
                )
                if piece.finish is not None:
                    return
        finally:
            self._engine.cancel(ticket)

    def _started(self, call: ModelCall, emit: Any) -> Any:
        messages = _plain(call.messages)
        if len(messages) > self._engine.most_chars:
            raise RefusedError("the prompt is longer than the device's language model can read")
        try:
            return self._engine.start(wanted(call, self._engine.chat_prompt(messages)), emit)
        except (EngineBusyError, EngineClosedError, PromptError) as error:
            raise _target_error(error) from error


def wanted(call: ModelCall, prompt: str) -> Wanted:
    """The call as the engine takes it; a continuation goes on behind the prompt. Raises `RefusedError`."""
    params = call.params
    if params.tools or params.n != 1 or params.extra.get("logprobs"):
        raise RefusedError(
            "the device's language model gives one answer, without tools and log probabilities"
        )
    top_p = params.extra.get("top_p")
    return Wanted(
        prompt=prompt + (call.continuation or ""),
        max_tokens=params.max_tokens or DEFAULT_TOKENS,
        temperature=1.0 if params.temperature is None else params.temperature,
        top_p=float(top_p) if isinstance(top_p, (int, float)) else 1.0,
        schema=_schema(params),
    )


def _schema(params: Params) -> str | None:
    form = params.response_format
    if form is None or not params.wants_json:
        return None
    named = form.get("json_schema") if form.get("type") == "json_schema" else {}
    schema = (named.get("schema") or _ANY_OBJECT) if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise RefusedError("the device's language model follows a JSON schema that is an object")
    text = json.dumps({**_TIGHT, **schema})
    if len(text) > MOST_SCHEMA_CHARS:
        raise RefusedError(f"the JSON schema is longer than {MOST_SCHEMA_CHARS} characters")
    return text


def _plain(messages: tuple[Message, ...]) -> str:
    """Messages with text alone, as the chat template takes them. Raises `RefusedError` for pictures and sounds."""
    found = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            if any(part.get("type") != "text" for part in content):
                raise RefusedError("the device's language model reads text only")
            content = "\n".join(str(part.get("text", "")) for part in content)
        found.append({"role": str(message.get("role", "user")), "content": content or ""})
    return json.dumps(found)


def _stop(params: Params) -> tuple[str, ...]:
    stop = params.extra.get("stop")
    if isinstance(stop, str):
        return (stop,)
    return tuple(one for one in stop if isinstance(one, str)) if isinstance(stop, (list, tuple)) else ()


def _post(loop: asyncio.AbstractEventLoop, said: asyncio.Queue[Piece], piece: Piece) -> None:
    try:
        loop.call_soon_threadsafe(said.put_nowait, piece)
    except RuntimeError:
        # The loop ended before its answer was ready: nobody is left to tell.
        return


async def _next(pieces: AsyncGenerator[Piece, None], within_s: float) -> Piece | None:
    """The next piece, None at the end."""
    try:
        async with asyncio.timeout(within_s):
            return await anext(pieces, None)
    except TimeoutError as error:
        raise TimeoutTargetError("the device's language model went silent") from error


async def _ended(said: asyncio.Queue[Piece]) -> Piece:
    """The last piece of a generation that was told to stop, as one that stopped."""
    while (piece := await said.get()).finish is None:
        pass
    return replace(piece, text="", finish="stop")


def _target_error(error: Exception) -> TargetError:
    if isinstance(error, EngineBusyError):
        return ThrottledError("the queue of the device's language model is full")
    if isinstance(error, PromptError):
        return RefusedError(f"the device's language model cannot: {error}")
    return UnavailableError("the device's language model is shutting down or failed")


def _usage(piece: Piece) -> Usage:
    return Usage(prompt_tokens=piece.prompt_tokens, completion_tokens=piece.completion_tokens)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
