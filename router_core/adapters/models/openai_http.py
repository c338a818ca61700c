"""The model adapter for vLLM and every other OpenAI-compatible server, over the HTTP pool."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.wire.http_stream import AnswerReader, HttpStream, read_chunks
from router_core.adapters.wire.http_wire import MAX_ANSWER_BYTES, encode_headers
from router_core.adapters.wire.openai_stream import ChatStream
from router_core.adapters.wire.openai_wire import (
    chat_body,
    embeddings_body,
    load,
    read_answer,
    read_vectors,
    reported,
    reported_error,
    status_answer,
)
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer
from router_core.ports import EmbedCall, ModelCall

_MAX_LONG_BYTES: Final = 64 * 1024 * 1024
"""Streams and vectors: a token costs some 300 bytes of framing, a number 20."""


class OpenAIModel:
    """`Model` and `Embedder` for one model of one server.

    The pool's base URL ends where the API begins (`http://host:8000/v1`). `api_key` is sent as a bearer token and
    never shows in errors. A continuation needs a server that knows `continue_final_message` (vLLM, SGLang).
    """

    def __init__(self, pool: HttpPool, *, model: str, api_key: str | None = None) -> None:
        headers = {"content-type": "application/json"}
        if api_key is not None:
            headers["authorization"] = f"Bearer {api_key}"
        self._pool = pool
        self._model = model
        self._secret = api_key
        self._headers = encode_headers(headers)
        self._chat = pool.origin.path + "/chat/completions"
        self._embeddings = pool.origin.path + "/embeddings"

    def __repr__(self) -> str:
        return f"OpenAIModel(model={self._model!r})"

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """One whole answer within `call.timeout_s`. Raises `TargetError`s alone."""
        body = chat_body(call, self._model, streams=False)
        return read_answer(await self._post(self._chat, body, call.timeout_s), call)

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer:
        """Vectors of all inputs in one call. Raises `TargetError`s alone."""
        body = embeddings_body(call, self._model)
        return read_vectors(await self._post(self._embeddings, body, call.timeout_s, _MAX_LONG_BYTES), call)

    def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """Chunks as they come; see `read_chunks`."""
        return read_chunks(self._open, call)

    async def _post(
        self, path: str, body: bytes, timeout_s: float, max_bytes: int = MAX_ANSWER_BYTES
    ) -> dict[str, Any]:
        reply = await self._pool.request(
            "POST", path, self._headers, body, timeout_s=timeout_s, max_bytes=max_bytes
        )
        if reply.status != 200:
            raise status_answer(reply.status, reply.headers, reply.body, self._secret)
        answer = load(reply.body)
        if (error := reported(answer)) is not None:
            raise reported_error(error, reply.headers)
        return answer

    async def _open(self, call: ModelCall) -> tuple[HttpStream, AnswerReader]:
        """A stream of events; any other answer is an error."""
        body = chat_body(call, self._model, streams=True)
        reply = await self._pool.stream(
            "POST", self._chat, self._headers, body, timeout_s=call.timeout_s, max_bytes=_MAX_LONG_BYTES
        )
        if reply.status == 200 and b"json" not in reply.headers.get(b"content-type", b""):
            return reply, ChatStream(call, reply.headers)
        async with reply:
            told = await reply.told()
        if reply.status != 200:
            raise status_answer(reply.status, reply.headers, told, self._secret)
        raise reported_error(reported(load(told)), reply.headers)
