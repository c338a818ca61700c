"""`POST /v1/responses`, without memory between two calls."""

from __future__ import annotations

from typing import Final

from gateway.http import answers
from gateway.http.dependencies import AppDependencies
from gateway.http.exchange import Exchange
from gateway.http.openai.intake import ignored_header, to_core
from gateway.http.openai.models import ModelNames
from gateway.http.openai.relaying import relay
from gateway.http.openai.responses_intake import of_responses
from gateway.http.openai.responses_shape import ResponseShape
from gateway.http.openai.responses_stream import ResponseEvents
from gateway.http.serving import Serving
from gateway.http.wire.decoding import LenientDecoder
from gateway.http.wire.responses import ResponsesBody, StrictResponsesBody
from router_core.inference import InferenceRequest

_DECODER: Final = LenientDecoder[ResponsesBody](StrictResponsesBody, ResponsesBody)


class Responses:
    """Responses in OpenAI's newer form."""

    def __init__(self, dependencies: AppDependencies, serving: Serving, names: ModelNames) -> None:
        self._limit = dependencies.max_body_bytes
        self._timeout_s = dependencies.body_timeout_s
        self._serving = serving
        self._names = names

    async def __call__(self, exchange: Exchange) -> None:
        body, ignored = _DECODER.decode(await exchange.read_json(self._limit, self._timeout_s))
        request = to_core(of_responses(body), self._names, exchange)
        shape = ResponseShape(exchange.request_id, int(request.received_s), body)
        if request.stream:
            await self._stream(exchange, request, shape, ignored)
            return
        response = await self._serving.answer(request)
        headers = answers.answer_headers(response) + ignored_header(ignored)
        await exchange.reply(200, headers, answers.encode(shape.ended(response)))

    async def _stream(
        self, exchange: Exchange, request: InferenceRequest, shape: ResponseShape, ignored: tuple[str, ...]
    ) -> None:
        live = await self._serving.open(request)
        try:
            opened = live.opened
            events = ResponseEvents(shape)
            headers = answers.decision_headers(opened.served, opened.decision.policy, opened.cache)
            await exchange.start_stream(headers + ignored_header(ignored))
            await exchange.write(events.begin(opened.served.model))
            response = await relay(exchange, live, events)
            if response is not None:
                await exchange.finish(events.end(response))
        finally:
            await live.close()
