"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time
from typing import Final

from gateway.http import answers
from gateway.http.dependencies import AppDependencies
from gateway.http.exchange import Exchange
from gateway.http.openai import shapes
from gateway.http.openai.chat_stream import ChatChunks
from gateway.http.openai.intake import ignored_header, of_chat, to_core
from gateway.http.openai.models import ModelNames
from gateway.http.openai.relaying import relay
from gateway.http.serving import Serving
from gateway.http.wire.chat import ChatBody, StrictChatBody
from gateway.http.wire.decoding import LenientDecoder
from router_core.inference import InferenceRequest, InferenceResponse

_DECODER: Final = LenientDecoder[ChatBody](StrictChatBody, ChatBody)


class ChatCompletions:
    """Chat in OpenAI's form, answered by whichever target is chosen."""

    def __init__(self, dependencies: AppDependencies, serving: Serving, names: ModelNames) -> None:
        self._limit = dependencies.max_body_bytes
        self._timeout_s = dependencies.body_timeout_s
        self._serving = serving
        self._names = names

    async def __call__(self, exchange: Exchange) -> None:
        body, ignored = _DECODER.decode(await exchange.read_json(self._limit, self._timeout_s))
        request = to_core(of_chat(body), self._names, exchange)
        if request.stream:
            await self._stream(exchange, request, body, ignored)
            return
        response = await self._serving.answer(request)
        headers = answers.answer_headers(response)
        if ignored:
            headers += ignored_header(ignored)
        await exchange.reply(200, headers, chat_completion(response, int(request.received_s)))

    async def _stream(
        self, exchange: Exchange, request: InferenceRequest, body: ChatBody, ignored: tuple[str, ...]
    ) -> None:
        live = await self._serving.open(request)
        try:
            opened = live.opened
            headers = answers.decision_headers(opened.served, opened.decision.policy, opened.cache)
            options = body.stream_options
            chunks = ChatChunks(
                exchange.request_id,
                opened.served.model,
                int(time.time()),
                with_usage=options is not None and bool(options.include_usage),
            )
            await exchange.start_stream(headers + ignored_header(ignored))
            await exchange.write(chunks.begin())
            response = await relay(exchange, live, chunks)
            if response is not None:
                await exchange.finish(chunks.end(response))
        finally:
            await live.close()


def chat_completion(response: InferenceResponse, created_s: int) -> bytes:
    """OpenAI's `chat.completion` object."""
    return answers.encode(
        {
            "id": shapes.answer_id("chatcmpl", response.request_id),
            "object": "chat.completion",
            "created": created_s,
            "model": response.served.model,
            "choices": [shapes.chat_choice(choice) for choice in shapes.choices_of(response)],
            "usage": shapes.usage(response.usage),
        }
    )
