"""The model adapters for Amazon Bedrock: Converse and ConverseStream signed by hand, and Titan's embeddings.

The SDK would cost a thread and more than a millisecond of CPU per call. Its description of the service and its signer
check this code in the tests instead.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any, Final
from urllib.parse import quote

from router_core.adapters.http_pool import HttpPool
from router_core.adapters.sigv4 import Credentials, Signer
from router_core.adapters.wire.bedrock_answers import ConverseReader, read_answer
from router_core.adapters.wire.bedrock_errors import answer_error
from router_core.adapters.wire.bedrock_request import converse_body
from router_core.adapters.wire.http_stream import AnswerReader, HttpStream, read_chunks
from router_core.adapters.wire.openai_wire import dump, load
from router_core.errors import ConfigurationError, TargetError, UnavailableError
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.ports import EmbedCall, ModelCall

_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12})+-\d{1,2}")
_MAX_STREAM_BYTES: Final = 64 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 65_536
_ERROR_READ_S: Final = 2.0
_EMBEDS_AT_ONCE: Final = 16


def bedrock_url(region: str) -> str:
    """The service's address in a region. Raises `ConfigurationError` for what cannot be a region."""
    if not _REGION.fullmatch(region):
        raise ConfigurationError("a Bedrock target names a region that cannot exist")
    suffix = ".cn" if region.startswith("cn-") else ""
    return f"https://bedrock-runtime.{region}.amazonaws.com{suffix}"


class _Endpoint:
    """Signed POSTs to one model."""

    def __init__(self, pool: HttpPool, model: str, region: str, credentials: Credentials) -> None:
        self._pool = pool
        self._credentials = credentials
        self._signer = Signer(region=region, service="bedrock", host=pool.origin.authority)
        self._path = f"{pool.origin.path}/model/{quote(model, safe='-._~')}"

    async def post(self, operation: str, body: object, timeout_s: float) -> dict[str, Any]:
        data = dump(body)
        path = f"{self._path}/{operation}"
        headers = self._signer.headers(await self._credentials(), path, data)
        reply = await self._pool.request("POST", path, headers, data, timeout_s=timeout_s)
        if reply.status != 200:
            raise answer_error(reply.status, reply.headers, reply.body)
        return load(reply.body)

    async def open(self, operation: str, body: object, timeout_s: float) -> HttpStream:
        """A stream of frames; any other answer is an error."""
        data = dump(body)
        path = f"{self._path}/{operation}"
        headers = self._signer.headers(await self._credentials(), path, data)
        reply = await self._pool.stream(
            "POST", path, headers, data, timeout_s=timeout_s, max_bytes=_MAX_STREAM_BYTES
        )
        if reply.status == 200 and b"eventstream" in reply.headers.get(b"content-type", b""):
            return reply
        async with reply:
            try:
                told = await reply.read_all(_ERROR_READ_S, _MAX_ERROR_BYTES)
            except TargetError:
                told = b""  # the status says enough
        if reply.status != 200:
            raise answer_error(reply.status, reply.headers, told)
        raise UnavailableError("the target did not answer with a stream")


class BedrockModel:
    """`Model` for one model id, inference profile or ARN.

    `native_schema` says that the model takes a JSON schema through `outputConfig`; without it a tool with that schema
    is forced, and its input is the answer.
    """

    def __init__(
        self,
        pool: HttpPool,
        *,
        model: str,
        region: str,
        credentials: Credentials,
        native_schema: bool = True,
    ) -> None:
        self._endpoint = _Endpoint(pool, model, region, credentials)
        self._model = model
        self._native_schema = native_schema

    def __repr__(self) -> str:
        return f"BedrockModel(model={self._model!r})"

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """One whole answer within `call.timeout_s`. Raises `TargetError`s alone."""
        body = converse_body(call, native_schema=self._native_schema)
        answer = await self._endpoint.post("converse", body, call.timeout_s)
        return read_answer(answer, call, native_schema=self._native_schema)

    def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """Chunks as they come; see `read_chunks`."""
        return read_chunks(self._open, call)

    async def _open(self, call: ModelCall) -> tuple[HttpStream, AnswerReader]:
        body = converse_body(call, native_schema=self._native_schema)
        reply = await self._endpoint.open("converse-stream", body, call.timeout_s)
        return reply, ConverseReader(call, reply.headers, native_schema=self._native_schema)


class BedrockEmbedder:
    """`Embedder` for Titan Text Embeddings v2, which takes one text a call."""

    def __init__(self, pool: HttpPool, *, model: str, region: str, credentials: Credentials) -> None:
        self._endpoint = _Endpoint(pool, model, region, credentials)

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer:
        """Vectors of all inputs, some at once; the first failure ends the rest. Raises `TargetError`s alone."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + call.timeout_s
        turn = asyncio.Semaphore(_EMBEDS_AT_ONCE)

        async def one(text: str) -> tuple[tuple[float, ...], int]:
            async with turn:
                return await self._embed(text, call.dimensions, deadline - loop.time())

        tasks = [asyncio.ensure_future(one(text)) for text in call.inputs]
        try:
            rows = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        usage = Usage(prompt_tokens=sum(tokens for _, tokens in rows))
        return EmbeddingAnswer(vectors=tuple(vector for vector, _ in rows), usage=usage)

    async def _embed(
        self, text: str, dimensions: int | None, timeout_s: float
    ) -> tuple[tuple[float, ...], int]:
        body: dict[str, Any] = {"inputText": text, "normalize": True}
        if dimensions is not None:
            body["dimensions"] = dimensions
        answer = await self._endpoint.post("invoke", body, timeout_s)
        try:
            return tuple(map(float, answer["embedding"])), int(answer["inputTextTokenCount"])
        except (KeyError, TypeError, ValueError):
            raise UnavailableError("the target's answer is malformed") from None
