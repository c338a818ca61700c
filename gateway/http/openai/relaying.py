"""Sends the rest of a begun stream under `/v1`, whatever shape its chunks have, and ends it truthfully.

A stream that fails after its head gets one `data: {"error": ...}` event and then stops: no `[DONE]` and no invented
`finish_reason`, because both would tell the client that the answer is whole.
"""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

from gateway.http import answers
from gateway.http.exchange import Exchange
from gateway.http.faults import note
from gateway.http.problems import problem_of
from gateway.http.serving import LiveStream
from router_core.errors import TierwiseError, UnavailableError
from router_core.execution import Chunk
from router_core.inference import InferenceResponse

DONE: Final = b"data: [DONE]\n\n"
_LOG: Final = logging.getLogger("tierwise.http")


class Chunks(Protocol):
    """The grammar of one kind of stream, as bytes to send."""

    def piece(self, chunk: Chunk) -> bytes: ...

    def end(self, response: InferenceResponse) -> bytes: ...

    def failed(self, error: dict[str, Any]) -> bytes: ...


async def relay(exchange: Exchange, live: LiveStream, chunks: Chunks) -> InferenceResponse | None:
    """Pieces as they come, without the stream's end; None when it failed and the error event has been sent."""
    try:
        await _pieces(exchange, live, chunks)
        if live.response is None:
            raise UnavailableError("the stream ended without an answer")
    except TierwiseError as error:
        await exchange.finish(chunks.failed(openai_error(exchange, error)))
        return None
    except Exception as error:  # the head is sent: whatever went wrong inside can only be an event
        note(_LOG, error, exchange.request_id)
        await exchange.finish(chunks.failed(openai_error(exchange, error)))
        return None
    return live.response


async def _pieces(exchange: Exchange, live: LiveStream, chunks: Chunks) -> None:
    async for piece in live.events:
        if isinstance(piece, Chunk):
            live.chars += len(piece.text)
            if data := chunks.piece(piece):
                await exchange.write(data)
        elif isinstance(piece, InferenceResponse):
            live.response = piece


def error_event(error: dict[str, Any]) -> bytes:
    """How a failure looks in the middle of a stream of `data` lines."""
    return b"data: " + answers.encode({"error": error}) + b"\n\n"


def openai_error(exchange: Exchange, error: Exception) -> dict[str, Any]:
    """The error object for `error`."""
    found: dict[str, Any] = problem_of(error, openai=True).openai(exchange.request_id)["error"]
    return found
