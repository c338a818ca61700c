"""The model adapter for a SageMaker real-time endpoint whose container speaks OpenAI's chat protocol (vLLM, LMI, TGI).

Requests are signed by hand like Bedrock's. A streamed answer is the container's own event stream, cut into frames.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Final
from urllib.parse import quote

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.signed_endpoint import SignedEndpoint, service_url
from router_core.adapters.models.sigv4 import Credentials, Signer
from router_core.adapters.wire.aws_errors import event_error
from router_core.adapters.wire.eventstream import FrameReader
from router_core.adapters.wire.http_stream import AnswerReader, HttpStream, read_chunks
from router_core.adapters.wire.openai_stream import ChatStream
from router_core.adapters.wire.openai_wire import chat_body, read_answer, reported, reported_error
from router_core.errors import TargetError
from router_core.execution import Chunk, ModelAnswer
from router_core.ports import ModelCall

_NO_HEADERS: Final[Mapping[bytes, bytes]] = {}


def sagemaker_url(region: str) -> str:
    """The runtime's address in a region. Raises `ConfigurationError` for what cannot be a region."""
    return service_url("runtime.sagemaker", region)


class SageMakerModel:
    """`Model` for one endpoint. `model` is what the container calls its model; most take any name."""

    def __init__(
        self, pool: HttpPool, *, endpoint: str, model: str, region: str, credentials: Credentials
    ) -> None:
        signer = Signer(region=region, service="sagemaker", host=pool.origin.authority)
        path = f"/endpoints/{quote(endpoint, safe='-._~')}"
        self._endpoint = SignedEndpoint(pool, path, signer, credentials)
        self._name, self._model = endpoint, model

    def __repr__(self) -> str:
        return f"SageMakerModel(endpoint={self._name!r})"

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """One whole answer within `call.timeout_s`. Raises `TargetError`s alone."""
        body = chat_body(call, self._model, streams=False)
        answer = await self._endpoint.post("invocations", body, call.timeout_s)
        if (error := reported(answer)) is not None:
            raise reported_error(error, _NO_HEADERS)
        return read_answer(answer, call)

    def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """Chunks as they come; see `read_chunks`."""
        return read_chunks(self._open, call)

    async def _open(self, call: ModelCall) -> tuple[HttpStream, AnswerReader]:
        body = chat_body(call, self._model, streams=True)
        reply = await self._endpoint.open("invocations-response-stream", body, call.timeout_s)
        return reply, FramedChat(call, reply.headers)


class FramedChat:
    """`AnswerReader` of server-sent events whose bytes come as the payloads of frames."""

    def __init__(self, call: ModelCall, headers: Mapping[bytes, bytes]) -> None:
        self._frames, self._chat, self._headers = FrameReader(), ChatStream(call, headers), headers
        self.done = False
        self.error: TargetError | None = None

    @property
    def finished(self) -> bool:
        return self._chat.finished

    def feed(self, piece: bytes) -> list[Chunk]:
        """See `AnswerReader`. What comes before an error is returned, the error kept in `error`."""
        chunks: list[Chunk] = []
        try:
            for payload in self._payloads(piece):
                chunks += self._chat.feed(payload)
                self.done, self.error = self._chat.done, self._chat.error
                if self.done or self.error is not None:
                    break
        except TargetError as error:
            self.error = error
        return chunks

    def _payloads(self, piece: bytes) -> Iterator[bytes]:
        """The container's own bytes; the end of ours is the end of its."""
        if not piece:
            yield b""
        for headers, payload in self._frames.feed(piece):
            if headers.get(":message-type") != "event":
                raise event_error(headers, payload, self._headers)
            if payload:
                yield payload

    def finish(self) -> list[Chunk]:
        """See `AnswerReader`."""
        return self._chat.finish()
