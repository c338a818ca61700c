"""Sends the rest of a begun stream under `/v1`, whatever shape its chunks have, and ends it truthfully.

A stream that fails after its head gets one `data: {"error": ...}` event and then stops: no `[DONE]` and no invented
`finish_reason`, because both would tell the client that the answer is whole.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

from gateway.http import answers
from gateway.http.exchange import Exchange
from gateway.http.faults import note
from gateway.http.problems import problem_of
from gateway.http.serving import LiveStream
from router_core.errors import TierwiseError, UnavailableError
from router_core.execution import Chunk
from router_core.inference import InferenceResponse

_LOG: Final = logging.getLogger("tierwise.http")


class Chunks(Protocol):
    """The grammar of one kind of stream, as bytes to send."""

    def piece(self, chunk: Chunk) -> bytes: ...

    def end(self, response: InferenceResponse) -> bytes: ...


async def relay(exchange: Exchange, live: LiveStream, chunks: Chunks) -> InferenceResponse | None:
    """Pieces as they come, without the stream's end; None when it failed and the error event has been sent."""
    try:
        await _pieces(exchange, live, chunks)
        if live.response is None:
            raise UnavailableError("the stream ended without an answer")
    except TierwiseError as error:
        await exchange.finish(error_event(exchange, error))
        return None
    except Exception as error:  # the head is sent: whatever went wrong inside can only be an event
        note(_LOG, error, exchange.request_id)
        await exchange.finish(error_event(exchange, error))
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


def error_event(exchange: Exchange, error: Exception) -> bytes:
    problem = problem_of(error, openai=True)
    return b"data: " + answers.encode(problem.openai(exchange.request_id)) + b"\n\n"
