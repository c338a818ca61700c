"""`POST /inference` and `POST /explain`."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

from gateway.http import answers, sse
from gateway.http.dependencies import AppDependencies
from gateway.http.exchange import Exchange, Headers
from gateway.http.idempotency import Answered, IdempotentAnswers, SharedAnswers, checked_key
from gateway.http.intake import inference_request
from gateway.http.ports import Accepted, Announcing
from gateway.http.refusals import UnprocessableError
from gateway.http.serving import Serving
from gateway.http.wire.decoding import BodyDecoder
from gateway.http.wire.inference import InferenceBody, WebhookBody
from router_core.errors import RequestError
from router_core.inference import EmbedRequest, InferenceRequest

_DECODER: Final = BodyDecoder(InferenceBody, once=("messages", "input"))
_SSE_TYPE: Final = (b"content-type", b"text/event-stream; charset=utf-8")


class _Asked(NamedTuple):
    """One body: what it means, its bytes, and whom to tell when it is over."""

    request: InferenceRequest
    raw: bytes
    webhook: WebhookBody | None


class InferenceRoutes:
    """The two paths that take an inference body."""

    def __init__(self, dependencies: AppDependencies, serving: Serving, accepted: Accepted) -> None:
        self._dependencies = dependencies
        self._serving = serving
        self._accepted = accepted
        kept = IdempotentAnswers(dependencies.idempotent_kept, dependencies.idempotent_bytes)
        self._idempotent = SharedAnswers(kept, dependencies.shared)

    async def infer(self, exchange: Exchange) -> None:
        """Answers in the form the body asks for, once per Idempotency-Key."""
        raw = await exchange.read_json(self._dependencies.max_body_bytes, self._dependencies.body_timeout_s)
        body = _DECODER.decode(raw)
        request = inference_request(
            body, exchange.known, exchange.request_id, cache_allowed=not exchange.no_store
        )
        asked = _Asked(request, raw, body.webhook)
        header = exchange.headers.get(b"idempotency-key")
        if header is None:
            await self._answer(exchange, asked)
            return
        await self._answer_once(exchange, asked, checked_key(header))

    async def explain(self, exchange: Exchange) -> None:
        """The decision that `infer` would take now; nothing is executed."""
        raw = await exchange.read_json(self._dependencies.max_body_bytes, self._dependencies.body_timeout_s)
        request = inference_request(
            _DECODER.decode(raw), exchange.known, exchange.request_id, cache_allowed=not exchange.no_store
        )
        await self._serving.limiter.admit(request.caller.key_id, 0)
        response = await self._serving.router.explain(request)
        await exchange.reply(200, answers.answer_headers(response), answers.encode(answers.answer(response)))

    async def _answer_once(self, exchange: Exchange, asked: _Asked, key: str) -> None:
        tenant = asked.request.caller.tenant
        earlier = await self._idempotent.claim(tenant, key, sha256(asked.raw).digest())
        if earlier is not None:
            await exchange.replay(earlier.status, earlier.headers, earlier.body)
            return
        try:
            answered = await self._answer(exchange, asked)
            if answered is not None:
                await self._idempotent.keep(tenant, key, answered)
        finally:
            await self._idempotent.give_up(tenant, key)

    async def _answer(self, exchange: Exchange, asked: _Asked) -> Answered | None:
        """Sends the answer; returns it as it could be sent again, None when it ended in an error event."""
        request = asked.request
        if request.asynchronous:
            return await self._accept(exchange, asked)
        if request.stream:
            return await self._stream(exchange, request)
        if request.task == "embed":
            response = await self._serving.embed(_embed_request(request))
        else:
            response = await self._serving.answer(request)
        headers = answers.answer_headers(response)
        body = answers.encode(answers.answer(response, request))
        sent = _sent(exchange, headers, body, restricted=response.restricted)
        await exchange.reply(200, headers, body)
        return sent

    async def _accept(self, exchange: Exchange, asked: _Asked) -> Answered:
        request = asked.request
        if request.task == "embed":
            raise RequestError("vectors are answered at once; leave out `mode: async`", field="$.mode")
        await self._submit(asked)
        headers = [answers.JSON_TYPE, (b"location", f"/inference/{request.request_id}".encode())]
        body = answers.encode({"request_id": request.request_id, "status": "queued", "stage": "CREATED"})
        sent = _sent(exchange, headers, body, status=202)
        await exchange.reply(202, headers, body)
        return sent

    async def _submit(self, asked: _Asked) -> None:
        request, size, webhook = asked.request, len(asked.raw), asked.webhook
        if webhook is None:
            await self._accepted.submit(request, size)
        elif isinstance(self._accepted, Announcing):
            await self._accepted.submit_announced(request, size, webhook.url, webhook.secret_ref)
        else:
            raise UnprocessableError(
                "webhooks are sent by the durable queue, which is not set up here; fetch the answer instead",
                field="$.webhook",
            )

    async def _stream(self, exchange: Exchange, request: InferenceRequest) -> Answered | None:
        if request.task == "embed":
            raise RequestError("vectors are not streamed", field="$.stream")
        live = await self._serving.open(request)
        try:
            opened = live.opened
            headers = answers.decision_headers(opened.served, opened.decision.policy, opened.cache)
            first = sse.decision_event(live)
            await exchange.start_stream(headers)
            await exchange.write(first)
            response = await sse.relay(exchange, live, request)
        finally:
            await live.close()
        if response is None:
            return None
        text = response.output.first.text if response.output is not None else None
        delta = sse.event(b"delta", {"text": text}) if text else b""
        done = sse.event(b"done", answers.answer(response, request, with_text=False))
        whole = first + delta + done
        return _sent(exchange, [*headers, _SSE_TYPE], whole, restricted=response.restricted)


def _sent(
    exchange: Exchange, headers: Headers, body: bytes, *, status: int = 200, restricted: bool = False
) -> Answered:
    """What to repeat for the same key: the answer under the id it was given with."""
    named = [*headers, (b"x-tierwise-request-id", exchange.request_id.encode())]
    return Answered(status=status, headers=named, body=body, restricted=restricted)


def _embed_request(request: InferenceRequest) -> EmbedRequest:
    """`task: embed` on our own path: the text of every message becomes a vector, in order."""
    inputs = tuple(text for message in request.messages if isinstance(text := message.get("content"), str))
    if len(inputs) != len(request.messages):
        raise RequestError("`task: embed` takes text only", field="$.messages")
    return EmbedRequest(
        request_id=request.request_id,
        received_s=request.received_s,
        caller=request.caller,
        inputs=inputs,
        preferences=request.preferences,
        device=request.device,
        network=request.network,
        location=request.location,
        privacy=request.privacy,
        user=request.user,
    )
