"""The model adapter for Google's Gemini API: generateContent and streamGenerateContent over the HTTP pool."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import quote

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.wire.google_answers import GeminiReader, read_answer, status_answer
from router_core.adapters.wire.google_request import gemini_body
from router_core.adapters.wire.http_stream import AnswerReader, HttpStream, read_chunks
from router_core.adapters.wire.http_wire import MAX_ANSWER_BYTES, encode_headers
from router_core.adapters.wire.openai_wire import dump, load
from router_core.execution import Chunk, ModelAnswer
from router_core.ports import ModelCall

GOOGLE_URL: Final = "https://generativelanguage.googleapis.com/v1beta"
_MAX_LONG_BYTES: Final = 64 * 1024 * 1024


class GoogleModel:
    """`Model` for one model of one server.

    The pool's base URL ends where the API begins (`https://host/v1beta`). `api_key` goes in a header, never in the address,
    and never shows in errors.
    """

    def __init__(self, pool: HttpPool, *, model: str, api_key: str) -> None:
        headers = {"content-type": "application/json", "x-goog-api-key": api_key}
        self._pool, self._model, self._secret = pool, model, api_key
        self._headers = encode_headers(headers)
        self._path = f"{pool.origin.path}/models/{quote(model.removeprefix('models/'), safe='-._~')}"

    def __repr__(self) -> str:
        return f"GoogleModel(model={self._model!r})"

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """One whole answer within `call.timeout_s`. Raises `TargetError`s alone."""
        reply = await self._pool.request(
            "POST",
            f"{self._path}:generateContent",
            self._headers,
            dump(gemini_body(call)),
            timeout_s=call.timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
        )
        if reply.status != 200:
            raise status_answer(reply.status, reply.headers, reply.body, self._secret)
        return read_answer(load(reply.body), call, reply.headers)

    def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """Chunks as they come; see `read_chunks`."""
        return read_chunks(self._open, call)

    async def _open(self, call: ModelCall) -> tuple[HttpStream, AnswerReader]:
        reply = await self._pool.stream(
            "POST",
            f"{self._path}:streamGenerateContent?alt=sse",
            self._headers,
            dump(gemini_body(call)),
            timeout_s=call.timeout_s,
            max_bytes=_MAX_LONG_BYTES,
        )
        if reply.status == 200 and b"json" not in reply.headers.get(b"content-type", b""):
            return reply, GeminiReader(call, reply.headers)
        async with reply:
            told = await reply.told()
        # An error is JSON whatever was asked for; with status 200 it has its own code inside.
        raise status_answer(reply.status, reply.headers, told, self._secret)
