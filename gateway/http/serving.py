"""Runs one request against the router under its key's limits, and remembers how it ended.

Tokens are reserved before the work and settled after it in every ending, so that a client that leaves or a tier that
fails does not eat the key's minute.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Final

from gateway.http.dependencies import DEFAULT_OUTPUT_TOKENS
from gateway.http.finished import FinishedAnswers
from gateway.http.ports import Answering
from gateway.http.refusals import UnprocessableError
from router_core.errors import UnavailableError
from router_core.inference import (
    EmbedRequest,
    InferenceRequest,
    InferenceResponse,
    Message,
    Opened,
    StreamEvent,
)
from router_core.ports import RateLimiter

_CHARS_PER_TOKEN: Final = 4


class LiveStream:
    """A stream that has begun: its `opened` event is known, `events` are the rest. Close it in every ending."""

    __slots__ = ("_estimate", "_request", "_serving", "chars", "events", "opened", "response")  # fmt: skip

    def __init__(
        self,
        serving: Serving,
        request: InferenceRequest,
        events: AsyncGenerator[StreamEvent, None],
        opened: Opened,
    ) -> None:
        self._serving = serving
        self._request = request
        self._estimate = estimate(request)
        self.events = events
        self.opened = opened
        self.chars = 0
        self.response: InferenceResponse | None = None

    async def close(self) -> None:
        """Stops the work behind the stream if it still runs, and settles what it used."""
        await self.events.aclose()
        caller = self._request.caller
        if self.response is not None:
            used = self.response.usage.total_tokens
            self._serving.finished.put(caller.tenant, self.response)
            self._serving.answered(self._request, self.response)
        else:
            used = (_chars(self._request.messages) + self.chars) // _CHARS_PER_TOKEN
        await self._serving.limiter.settle(caller.key_id, self._estimate, used)


class Serving:
    """The way from a handler to the router."""

    def __init__(
        self, router: Answering, limiter: RateLimiter, finished: FinishedAnswers, *, streams: bool = True
    ) -> None:
        """`streams` False: this host sends whole answers only."""
        self.streams = streams
        self.router = router
        self.limiter = limiter
        self.finished = finished
        self.answered: Callable[[InferenceRequest, InferenceResponse], None] = _kept_by_nobody
        """Told of each answer that somebody waited for; returns at once."""

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        """A whole answer; raises what the router raises."""
        caller = request.caller
        reserved = estimate(request)
        await self.limiter.admit(caller.key_id, reserved)
        used = 0
        try:
            response = await self.router.answer(request)
            used = response.usage.total_tokens
        finally:
            await self.limiter.settle(caller.key_id, reserved, used)
        if not request.asynchronous:  # those are kept by whoever accepted them
            self.finished.put(caller.tenant, response)
            self.answered(request, response)
        return response

    async def embed(self, request: EmbedRequest) -> InferenceResponse:
        """Vectors; raises what the router raises."""
        caller = request.caller
        reserved = sum(map(len, request.inputs)) // _CHARS_PER_TOKEN + 1
        await self.limiter.admit(caller.key_id, reserved)
        used = 0
        try:
            response = await self.router.embed(request)
            used = response.usage.total_tokens
        finally:
            await self.limiter.settle(caller.key_id, reserved, used)
        return response

    async def open(self, request: InferenceRequest) -> LiveStream:
        """A stream up to its first event; what fails before it can still be an HTTP status."""
        if not self.streams:
            raise UnprocessableError(
                "answers are not streamed here; ask the gateway service, or leave out `stream`",
                field="$.stream",
            )
        caller = request.caller
        reserved = estimate(request)
        await self.limiter.admit(caller.key_id, reserved)
        events = self.router.stream(request)
        try:
            opened = await anext(events)
            if not isinstance(opened, Opened):
                raise UnavailableError("the stream began without saying who answers")
        except BaseException:
            await events.aclose()
            await self.limiter.settle(caller.key_id, reserved, 0)
            raise
        return LiveStream(self, request, events, opened)


def estimate(request: InferenceRequest) -> int:
    """Tokens a request may use: its text, and as many as it may be answered with."""
    params = request.params
    return (
        _chars(request.messages) // _CHARS_PER_TOKEN + (params.max_tokens or DEFAULT_OUTPUT_TOKENS) * params.n
    )


def _chars(messages: Iterable[Message]) -> int:
    """Characters of text; an image or a sound counts as little, its true size is known after the answer."""
    total = 1
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            total += len(content)
        elif content:
            total += sum(len(part.get("text", "")) for part in content)
    return total


def _kept_by_nobody(request: InferenceRequest, response: InferenceResponse) -> None:
    """Nobody looks at answers."""
