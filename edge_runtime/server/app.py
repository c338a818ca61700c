"""The ASGI application of the local server: chat, embeddings, models, metrics, health.

Plain ASGI on what the base installation has; no framework, no cloud SDK. More calls than the model's queue takes are
answered 429 at once: a caller that is told can go elsewhere, one that waits cannot. A caller that leaves ends its work.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, Protocol

from edge_runtime.server.bodies import (
    Asked,
    BodyError,
    Chunks,
    chat,
    completion,
    dumps,
    error_body,
    inputs,
    parsed,
    vectors,
)
from edge_runtime.server.figures import CONTENT_TYPE, Figures
from router_core.errors import RefusedError, TargetError, ThrottledError, TimeoutTargetError
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.ports import EmbedCall, HealthProbe, ModelCall

MAX_BODY_BYTES: Final = 1024 * 1024
TIMEOUT_S: Final = 120.0
_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream; charset=utf-8"
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Reply = tuple[str, bytes | AsyncGenerator[bytes, None]]


class Both(Protocol):
    """A model that answers and embeds. Raises `TargetError`."""

    async def generate(self, call: ModelCall) -> ModelAnswer: ...

    def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]: ...

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer: ...


class _Answer(Exception):
    def __init__(self, status: int, message: str, kind: str) -> None:
        super().__init__(message)
        self.status, self.body = status, error_body(message, kind, status)


class EdgeServer:
    """`name` is what the model is called, `task` what it does, `at_once` how many calls it works on together; `key` the
    bearer key of /v1, None for none; `probe` says whether it works still."""

    def __init__(
        self,
        model: Both,
        name: str,
        *,
        key: str | None = None,
        task: str = "command",
        at_once: int = 1,
        probe: HealthProbe | None = None,
    ) -> None:
        self._model, self._name, self._key, self._task, self._probe = model, name, key, task, probe
        self.figures = Figures(at_once=at_once)
        self._routes: dict[tuple[str, str], Callable[[bytes], Awaitable[Reply]]] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/embeddings"): self._embeddings,
            ("GET", "/v1/models"): self._models,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/health"): self._health,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, kind, content = 200, _JSON, b""
        try:
            kind, found = await self._served(scope, receive)
            if not isinstance(found, bytes):
                await _streamed(found, kind, receive, send)
                return
            content = found
        except _Answer as early:
            status, content = early.status, early.body
        except BodyError as error:
            status, content = 400, error_body(str(error), "BadRequestError", 400)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
        if status == 429:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _served(self, scope: Scope, receive: Receive) -> Reply:
        handler = self._routes.get((scope["method"], scope["path"]))
        if handler is None:
            known = any(path == scope["path"] for _, path in self._routes)
            raise _Answer(405 if known else 404, "there is nothing here", "NotFoundError")
        if scope["path"].startswith("/v1/"):
            self._admit(dict(scope["headers"]).get(b"authorization", b""))
        return await handler(await _body(receive) if scope["method"] == "POST" else b"")

    def _admit(self, given: bytes) -> None:
        if self._key is not None and not hmac.compare_digest(given, f"Bearer {self._key}".encode()):
            raise _Answer(401, "Unauthorized", "AuthenticationError")

    async def _chat(self, raw: bytes) -> Reply:
        body = parsed(raw)
        asked = chat(body)
        self._named(body)
        call = ModelCall(
            request_id="local",
            model=self._name,
            messages=asked.messages,
            params=asked.params,
            task=self._task,
            timeout_s=TIMEOUT_S,
        )
        if asked.stream:
            return _EVENTS, await self._begun(asked, call)
        began, answer, refusal = time.perf_counter(), None, None
        async with self._watched():
            try:
                answer = await self._model.generate(call)
            except RefusedError as error:
                refusal = str(error)
        self._counted(began, None if answer is None else answer.usage, answer)
        return _JSON, dumps(completion(self._name, answer, refusal))

    async def _begun(self, asked: Asked, call: ModelCall) -> AsyncGenerator[bytes, None]:
        """The stream once its first piece is there: what fails before is still a status."""
        form, began = Chunks(self._name, include_usage=asked.include_usage), time.perf_counter()
        events = self._events(form, call, began)
        first = await anext(events)
        self.figures.first.add(time.perf_counter() - began)

        async def whole() -> AsyncGenerator[bytes, None]:
            async with aclosing(events):
                yield form.begin() + first
                async for event in events:
                    yield event

        return whole()

    async def _events(self, form: Chunks, call: ModelCall, began: float) -> AsyncGenerator[bytes, None]:
        usage = None
        async with self._watched(), aclosing(self._model.stream(call)) as chunks:
            try:
                async for chunk in chunks:
                    usage = chunk.usage or usage
                    yield form.piece(chunk)
            except RefusedError as error:
                yield form.refused(str(error))
        self._counted(began, usage, usage)
        yield form.end(usage)

    async def _embeddings(self, raw: bytes) -> Reply:
        body = parsed(raw)
        texts, as_base64 = inputs(body)
        self._named(body)
        call = EmbedCall(
            request_id="local",
            model=self._name,
            inputs=texts,
            timeout_s=TIMEOUT_S,
            dimensions=body.get("dimensions"),
        )
        began = time.perf_counter()
        async with self._watched():
            try:
                answer = await self._model.embed(call)
            except RefusedError as error:
                self.figures.finished["refusal"] += 1
                raise BodyError(str(error)) from error
        self._counted(began, answer.usage, answer)
        return _JSON, dumps(vectors(self._name, answer, as_base64=as_base64))

    async def _models(self, _: bytes) -> Reply:
        card = {
            "id": self._name,
            "object": "model",
            "owned_by": "tierwise",
            "root": self._name,
            "parent": None,
        }
        return _JSON, dumps({"object": "list", "data": [card]})

    async def _metrics(self, _: bytes) -> Reply:
        return CONTENT_TYPE, self.figures.text(self._name).encode()

    async def _health(self, _: bytes) -> Reply:
        if self._probe is not None and not (await self._probe.probe()).up:
            raise _Answer(503, "the model does not work any more", "InternalServerError")
        return _JSON, b"{}"

    def _named(self, body: MutableMapping[str, Any]) -> None:
        if body.get("model", self._name) != self._name:
            raise _Answer(404, f"The model {str(body.get('model'))[:80]!r} does not exist.", "NotFoundError")

    @asynccontextmanager
    async def _watched(self) -> AsyncGenerator[None, None]:
        """Counts what runs, and makes statuses of what fails."""
        self.figures.running += 1
        try:
            yield
        except RefusedError:
            raise
        except ThrottledError as error:
            self.figures.refused += 1
            raise _Answer(429, "the queue of the model is full", "RateLimitError") from error
        except TargetError as error:
            status = 504 if isinstance(error, TimeoutTargetError) else 503
            raise _Answer(status, str(error), "InternalServerError") from error
        finally:
            self.figures.running -= 1

    def _counted(self, began: float, usage: Usage | None, answer: object) -> None:
        figures = self.figures
        figures.finished["refusal" if answer is None else "stop"] += 1
        if answer is None or usage is None:
            return
        figures.prompt_tokens += usage.prompt_tokens
        figures.generation_tokens += usage.completion_tokens
        figures.latency.add(time.perf_counter() - began)
        if isinstance(
            answer, (ModelAnswer, EmbeddingAnswer)
        ):  # it came whole: its first token is as late as its last
            figures.first.add(time.perf_counter() - began)


async def _streamed(events: AsyncGenerator[bytes, None], kind: str, receive: Receive, send: Send) -> None:
    """Sends events until they end or the caller leaves, which ends the work behind them."""
    headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def all_sent() -> None:
        async with aclosing(events):
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sending, leaving = asyncio.create_task(all_sent()), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        done = await asyncio.gather(sending, leaving, return_exceptions=True)
    if isinstance(done[0], Exception):
        # A part is out: only a connection that is cut says that the rest is missing.
        raise done[0]


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise _Answer(413, f"the body is above {MAX_BODY_BYTES} bytes", "BadRequestError")
        if not message.get("more_body", False):
            return b"".join(parts)
