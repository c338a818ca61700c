"""The model adapters for Amazon Bedrock: Converse and ConverseStream signed by hand, and Titan's embeddings.

The SDK would cost a thread and more than a millisecond of CPU per call. Its description of the service and its signer
check this code in the tests instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final
from urllib.parse import quote

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.signed_endpoint import SignedEndpoint, service_url
from router_core.adapters.models.sigv4 import Credentials, Signer
from router_core.adapters.wire.bedrock_answers import ConverseReader, read_answer
from router_core.adapters.wire.bedrock_extras import NO_EXTRAS, ConverseExtras, with_extras
from router_core.adapters.wire.bedrock_request import converse_body
from router_core.adapters.wire.http_stream import AnswerReader, HttpStream, read_chunks
from router_core.adapters.wire.openai_wire import dump
from router_core.errors import UnavailableError
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.ports import EmbedCall, ModelCall

_EMBEDS_AT_ONCE: Final = 16


def bedrock_url(region: str) -> str:
    """The service's address in a region. Raises `ConfigurationError` for what cannot be a region."""
    return service_url("bedrock-runtime", region)


def _endpoint(pool: HttpPool, model: str, region: str, credentials: Credentials) -> SignedEndpoint:
    signer = Signer(region=region, service="bedrock", host=pool.origin.authority)
    return SignedEndpoint(pool, f"/model/{quote(model, safe='-._~')}", signer, credentials)


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
        extras: ConverseExtras = NO_EXTRAS,
    ) -> None:
        self._endpoint = _endpoint(pool, model, region, credentials)
        self._model = model
        self._native_schema = native_schema
        self._extras = extras

    def __repr__(self) -> str:
        return f"BedrockModel(model={self._model!r})"

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """One whole answer within `call.timeout_s`. Raises `TargetError`s alone."""
        body = self._body(call, streams=False)
        answer = await self._endpoint.post("converse", dump(body), call.timeout_s)
        return read_answer(answer, call, native_schema=self._native_schema)

    def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """Chunks as they come; see `read_chunks`."""
        return read_chunks(self._open, call)

    async def _open(self, call: ModelCall) -> tuple[HttpStream, AnswerReader]:
        body = self._body(call, streams=True)
        reply = await self._endpoint.open("converse-stream", dump(body), call.timeout_s)
        return reply, ConverseReader(call, reply.headers, native_schema=self._native_schema)

    def _body(self, call: ModelCall, *, streams: bool) -> dict[str, Any]:
        body = converse_body(call, native_schema=self._native_schema)
        return with_extras(body, self._extras, streams=streams)


class BedrockEmbedder:
    """`Embedder` for Titan Text Embeddings v2, which takes one text a call."""

    def __init__(self, pool: HttpPool, *, model: str, region: str, credentials: Credentials) -> None:
        self._endpoint = _endpoint(pool, model, region, credentials)

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
        answer = await self._endpoint.post("invoke", dump(body), timeout_s)
        try:
            return tuple(map(float, answer["embedding"])), int(answer["inputTextTokenCount"])
        except (KeyError, TypeError, ValueError):
            raise UnavailableError("the target's answer is malformed") from None
