"""`POST /v1/completions`: a prompt is a conversation of one message; several prompts are several requests.

The prompts of one body run one after the other when streamed (their chunks would otherwise wait for each other in the
client's buffer) and together when not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.http import answers
from gateway.http.dependencies import AppDependencies
from gateway.http.exchange import Exchange
from gateway.http.openai import shapes
from gateway.http.openai.intake import ignored_header, of_completion, to_core
from gateway.http.openai.models import ModelNames
from gateway.http.openai.relaying import DONE, error_event, openai_error, relay
from gateway.http.serving import LiveStream, Serving
from gateway.http.wire.chat import CompletionBody, StrictCompletionBody
from gateway.http.wire.decoding import LenientDecoder
from router_core.errors import TierwiseError
from router_core.execution import Chunk, Usage
from router_core.inference import InferenceRequest, InferenceResponse

_DECODER: Final = LenientDecoder[CompletionBody](StrictCompletionBody, CompletionBody)


class TextCompletions:
    """Text completions in OpenAI's older form."""

    def __init__(self, dependencies: AppDependencies, serving: Serving, names: ModelNames) -> None:
        self._limit = dependencies.max_body_bytes
        self._timeout_s = dependencies.body_timeout_s
        self._serving = serving
        self._names = names

    async def __call__(self, exchange: Exchange) -> None:
        body, ignored = _DECODER.decode(await exchange.read_json(self._limit, self._timeout_s))
        prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        requests = [self._request(exchange, body, prompt, number) for number, prompt in enumerate(prompts)]
        echoes = prompts if body.echo else [""] * len(prompts)
        if body.stream:
            head = ignored_header(ignored)
            await self._stream(
                exchange, requests, echoes, TextChunks(exchange.request_id, _usage_wanted(body)), head
            )
            return
        responses = await self._all(requests)
        more_usd = sum(response.cost_usd for response in responses[1:])
        headers = answers.answer_headers(responses[0], more_usd=more_usd) + ignored_header(ignored)
        await exchange.reply(200, headers, text_completion(exchange.request_id, responses, echoes))

    def _request(
        self, exchange: Exchange, body: CompletionBody, prompt: str, number: int
    ) -> InferenceRequest:
        # The first keeps the exchange's own id, so that the id in the headers finds it again.
        suffix = f"-{number}" if number else ""
        return to_core(of_completion(body, prompt), self._names, exchange, suffix=suffix)

    async def _all(self, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Every answer, or the first failure, which stops the others."""
        if len(requests) == 1:
            return [await self._serving.answer(requests[0])]
        tasks = [asyncio.create_task(self._serving.answer(request)) for request in requests]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            raise

    async def _stream(
        self,
        exchange: Exchange,
        requests: Sequence[InferenceRequest],
        echoes: Sequence[str],
        chunks: TextChunks,
        headers: answers.Headers,
    ) -> None:
        done: list[InferenceResponse] = []
        for request, echo in zip(requests, echoes, strict=True):
            try:
                live = await self._serving.open(request)
            except TierwiseError as error:
                if not exchange.started:
                    raise
                await exchange.finish(error_event(openai_error(exchange, error)))
                return
            try:
                response = await _one(exchange, live, chunks, echo, headers)
            finally:
                await live.close()
            if response is None:
                return
            done.append(response)
            chunks.first += request.params.n
        await exchange.finish(chunks.usage(done) + DONE)


async def _one(
    exchange: Exchange, live: LiveStream, chunks: TextChunks, echo: str, headers: answers.Headers
) -> InferenceResponse | None:
    """One prompt's part of the stream; None when it failed and the stream is over."""
    opened = live.opened
    if not exchange.started:
        chunks.model = opened.served.model
        await exchange.start_stream(
            answers.decision_headers(opened.served, opened.decision.policy, opened.cache) + headers
        )
    if echo:
        await exchange.write(chunks.piece(Chunk(text=echo)))
    response = await relay(exchange, live, chunks)
    if response is not None:
        await exchange.write(chunks.end(response))
    return response


class TextChunks:
    """The chunks of a stream; `first` is the index of the current prompt's first choice."""

    def __init__(self, request_id: str, with_usage: bool) -> None:
        self.model = ""
        self.first = 0
        self._id = shapes.answer_id("cmpl", request_id)
        self._created_s = int(time.time())
        self._with_usage = with_usage
        self._begun: set[int] = set()
        self._finished: set[int] = set()

    def piece(self, chunk: Chunk) -> bytes:
        """What one chunk of the core adds."""
        index = self.first + chunk.index
        if index in self._finished:
            return b""
        self._begun.add(index)
        text = self._chunk([_choice(index, chunk.text, None)]) if chunk.text else b""
        return text if chunk.finish_reason is None else text + self._finish(index, chunk.finish_reason)

    def end(self, response: InferenceResponse) -> bytes:
        """Closes what the tier left open."""
        reasons = {self.first + c.index: c.finish_reason for c in shapes.choices_of(response)}
        open_ones = sorted(self._begun - self._finished)
        return b"".join(self._finish(index, reasons.get(index, "stop")) for index in open_ones)

    def failed(self, error: dict[str, Any]) -> bytes:
        return error_event(error)

    def usage(self, responses: Sequence[InferenceResponse]) -> bytes:
        """The usage chunk, when it was asked for."""
        if not self._with_usage:
            return b""
        extra = {"usage": shapes.usage(_total(responses)), "tierwise": shapes.tierwise(responses[-1])}
        return self._chunk([], extra)

    def _finish(self, index: int, reason: str) -> bytes:
        self._finished.add(index)
        return self._chunk([_choice(index, "", reason)])

    def _chunk(self, choices: list[dict[str, Any]], extra: Mapping[str, Any] | None = None) -> bytes:
        return (
            b"data: "
            + answers.encode(_envelope(self._id, self._created_s, self.model, choices, extra))
            + b"\n\n"
        )


def text_completion(
    request_id: str,
    responses: Sequence[InferenceResponse],
    echoes: Sequence[str],
    created_s: int | None = None,
) -> bytes:
    """OpenAI's `text_completion` object; the choices of the second prompt follow those of the first."""
    choices: list[dict[str, Any]] = []
    for response, echo in zip(responses, echoes, strict=True):
        for choice in shapes.choices_of(response):
            choices.append(_choice(len(choices), echo + (choice.text or ""), choice.finish_reason))
    extra = {"usage": shapes.usage(_total(responses))}
    name, moment = shapes.answer_id("cmpl", request_id), created_s or int(time.time())
    return answers.encode(_envelope(name, moment, responses[0].served.model, choices, extra))


def _envelope(
    name: str, created_s: int, model: str, choices: list[dict[str, Any]], extra: Mapping[str, Any] | None
) -> dict[str, Any]:
    body = {"id": name, "object": "text_completion", "created": created_s, "model": model, "choices": choices}
    return {**body, **(extra or {})}


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}


def _total(responses: Sequence[InferenceResponse]) -> Usage:
    return Usage(
        prompt_tokens=sum(r.usage.prompt_tokens for r in responses),
        completion_tokens=sum(r.usage.completion_tokens for r in responses),
        cached_tokens=sum(r.usage.cached_tokens for r in responses),
    )


def _usage_wanted(body: CompletionBody) -> bool:
    return body.stream_options is not None and bool(body.stream_options.include_usage)
