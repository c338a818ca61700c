"""`POST /v1/embeddings`. Vectors come from one model or not at all: those of two models cannot be compared."""

from __future__ import annotations

import base64
import time
from array import array
from typing import Any, Final

from gateway.http import answers
from gateway.http.dependencies import AppDependencies
from gateway.http.exchange import Exchange
from gateway.http.openai.intake import Asking, context_of, ignored_header
from gateway.http.openai.models import ModelNames
from gateway.http.serving import Serving
from gateway.http.wire.decoding import LenientDecoder
from gateway.http.wire.embeddings import EmbeddingsBody, StrictEmbeddingsBody
from router_core.inference import EmbedRequest, InferenceResponse

_DECODER: Final = LenientDecoder[EmbeddingsBody](StrictEmbeddingsBody, EmbeddingsBody)


class Embeddings:
    """Vectors in OpenAI's form."""

    def __init__(self, dependencies: AppDependencies, serving: Serving, names: ModelNames) -> None:
        self._limit = dependencies.max_body_bytes
        self._timeout_s = dependencies.body_timeout_s
        self._serving = serving
        self._names = names

    async def __call__(self, exchange: Exchange) -> None:
        body, ignored = _DECODER.decode(await exchange.read_json(self._limit, self._timeout_s))
        response = await self._serving.embed(embed_request(body, self._names, exchange))
        headers = answers.answer_headers(response) + ignored_header(ignored)
        as_base64 = body.encoding_format == "base64"
        await exchange.reply(200, headers, embedding_list(response, as_base64=as_base64))


def embed_request(body: EmbeddingsBody, names: ModelNames, exchange: Asking) -> EmbedRequest:
    """The core's request. Raises ModelNotFoundError and RequestError."""
    meaning = names.meaning(body.model)
    where = context_of(body.tierwise, exchange.known)
    return EmbedRequest(
        request_id=exchange.request_id,
        received_s=time.time(),
        caller=exchange.known,
        inputs=(body.input,) if isinstance(body.input, str) else tuple(body.input),
        dimensions=body.dimensions,
        preferences=meaning.applied(where.preferences),
        device=where.device,
        network=where.network,
        location=where.location,
        privacy=where.privacy,
        user=body.user,
    )


def embedding_list(response: InferenceResponse, *, as_base64: bool) -> bytes:
    """OpenAI's list of vectors."""
    vectors = () if response.output is None else response.output.vectors
    data: list[dict[str, Any]] = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if as_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    used = {"prompt_tokens": response.usage.prompt_tokens, "total_tokens": response.usage.total_tokens}
    return answers.encode({"object": "list", "data": data, "model": response.served.model, "usage": used})


def _packed(vector: tuple[float, ...]) -> str:
    """Little-endian 32-bit floats, as OpenAI's clients unpack them."""
    numbers = array("f", vector)
    if _BIG_ENDIAN:
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")


_BIG_ENDIAN: Final = array("H", [1]).tobytes()[0] == 0
