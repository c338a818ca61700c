"""The ASGI application of the local server: chat, embeddings, models, metrics, health.

Plain ASGI on what the base installation has; no framework, no cloud SDK. More calls than the model's queue takes are
answered 429 at once: a caller that is told can go elsewhere, one that waits cannot.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

from edge_runtime.server.bodies import (
    BodyError,
    chat,
    chunks,
    completion,
    dumps,
    error_body,
    inputs,
    parsed,
    vectors,
)
from edge_runtime.server.figures import CONTENT_TYPE, Figures
from router_core.errors import RefusedError, TargetError, ThrottledError, TimeoutTargetError
from router_core.execution import EmbeddingAnswer, ModelAnswer
from router_core.inference import Params
from router_core.ports import EmbedCall, ModelCall

MAX_BODY_BYTES: Final = 1024 * 1024
TIMEOUT_S: Final = 30.0
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Both(Protocol):
    """A model that answers and embeds. Raises `TargetError`."""

    async def generate(self, call: ModelCall) -> ModelAnswer: ...

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer: ...


class _Answer(Exception):
    def __init__(self, status: int, message: str, kind: str) -> None:
        super().__init__(message)
        self.status, self.body = status, error_body(message, kind, status)


class EdgeServer:
    """`name` is what the model is called; `key` the bearer key of /v1, None for none."""

    def __init__(self, model: Both, name: str, *, key: str | None = None) -> None:
        self._model, self._name, self._key = model, name, key
        self.figures = Figures()
        self._routes: dict[tuple[str, str], Callable[[bytes], Awaitable[tuple[str, list[bytes]]]]] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/embeddings"): self._embeddings,
            ("GET", "/v1/models"): self._models,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/health"): self._health,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, kind = 200, "application/json"
        try:
            kind, parts = await self._served(scope, receive)
        except _Answer as early:
            status, parts = early.status, [early.body]
        except BodyError as error:
            status, parts = 400, [error_body(str(error), "BadRequestError", 400)]
        headers = [(b"content-type", kind.encode())]
        if status == 429:
            headers.append((b"retry-after", b"1"))
        if not kind.startswith("text/event-stream"):
            headers.append((b"content-length", str(sum(map(len, parts))).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _served(self, scope: Scope, receive: Receive) -> tuple[str, list[bytes]]:
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

    async def _chat(self, raw: bytes) -> tuple[str, list[bytes]]:
        body = parsed(raw)
        asked = chat(body)
        self._named(body)
        call = ModelCall(
            request_id="local",
            model=self._name,
            messages=asked.messages,
            params=Params(),
            task="command",
            timeout_s=TIMEOUT_S,
        )
        answer, refusal = await self._watched(self._model.generate(call))
        if answer is not None:
            self.figures.prompt_tokens += answer.usage.prompt_tokens
            self.figures.generation_tokens += answer.usage.completion_tokens
        whole = completion(self._name, answer, refusal)
        if asked.stream:
            return "text/event-stream; charset=utf-8", chunks(whole, include_usage=asked.include_usage)
        return "application/json", [dumps(whole)]

    async def _embeddings(self, raw: bytes) -> tuple[str, list[bytes]]:
        body = parsed(raw)
        texts = inputs(body)
        self._named(body)
        call = EmbedCall(
            request_id="local",
            model=self._name,
            inputs=texts,
            timeout_s=TIMEOUT_S,
            dimensions=body.get("dimensions"),
        )
        answer, refusal = await self._watched(self._model.embed(call))
        if answer is None:
            raise BodyError(refusal or "refused")
        self.figures.prompt_tokens += answer.usage.prompt_tokens
        return "application/json", [dumps(vectors(self._name, answer))]

    async def _models(self, _: bytes) -> tuple[str, list[bytes]]:
        card = {
            "id": self._name,
            "object": "model",
            "owned_by": "tierwise",
            "root": self._name,
            "parent": None,
        }
        return "application/json", [dumps({"object": "list", "data": [card]})]

    async def _metrics(self, _: bytes) -> tuple[str, list[bytes]]:
        return CONTENT_TYPE, [self.figures.text(self._name).encode()]

    async def _health(self, _: bytes) -> tuple[str, list[bytes]]:
        return "application/json", [b"{}"]

    def _named(self, body: MutableMapping[str, Any]) -> None:
        if body.get("model", self._name) != self._name:
            raise _Answer(404, f"The model {str(body.get('model'))[:80]!r} does not exist.", "NotFoundError")

    async def _watched(self, work: Awaitable[Any]) -> tuple[Any, str | None]:
        """The answer, or why the model gives none; counted either way."""
        figures, began = self.figures, time.perf_counter()
        figures.running += 1
        try:
            answer = await work
        except RefusedError as error:
            figures.finished["refusal"] += 1
            return None, str(error)
        except ThrottledError as error:
            figures.refused += 1
            raise _Answer(429, "the queue of the model is full", "RateLimitError") from error
        except TargetError as error:
            status = 504 if isinstance(error, TimeoutTargetError) else 503
            raise _Answer(status, str(error), "InternalServerError") from error
        finally:
            figures.running -= 1
        figures.latency.add(time.perf_counter() - began)
        figures.finished["stop"] += 1
        return answer, None


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
