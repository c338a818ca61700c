"""Server-sent events of `/inference`: `decision`, `delta`, `handoff`, then exactly one `done` or `error`."""

from __future__ import annotations

import logging
from typing import Any

import orjson

from gateway.http import answers
from gateway.http.exchange import Exchange
from gateway.http.faults import note
from gateway.http.problems import problem_of
from gateway.http.serving import LiveStream
from router_core.errors import TierwiseError, UnavailableError
from router_core.execution import Chunk, Handoff
from router_core.inference import InferenceRequest, InferenceResponse

_LOG = logging.getLogger("tierwise.http")


def event(name: bytes, data: Any) -> bytes:
    """One event; JSON holds no line break, so one `data` line is enough."""
    return b"event: " + name + b"\ndata: " + answers.encode(data) + b"\n\n"


def decision_event(live: LiveStream) -> bytes:
    return event(b"decision", answers.routing(live.opened.decision, live.opened.served))


async def relay(exchange: Exchange, live: LiveStream, request: InferenceRequest) -> InferenceResponse | None:
    """Sends everything after the `decision` event; the answer, or None when it ended with `error`."""
    try:
        await _pieces(exchange, live)
        if live.response is None:
            raise UnavailableError("the stream ended without an answer")
    except TierwiseError as error:
        await exchange.finish(event(b"error", problem_of(error).members(exchange.request_id)))
        return None
    except Exception as error:  # the head is sent: whatever went wrong inside can only be an event
        note(_LOG, error, exchange.request_id)
        await exchange.finish(event(b"error", problem_of(error).members(exchange.request_id)))
        return None
    await exchange.finish(event(b"done", answers.answer(live.response, request, with_text=False)))
    return live.response


async def _pieces(exchange: Exchange, live: LiveStream) -> None:
    async for piece in live.events:
        if isinstance(piece, Chunk):
            if piece.text or piece.tool_calls:
                live.chars += len(piece.text)
                await exchange.write(_delta(piece))
        elif isinstance(piece, Handoff):
            await exchange.write(event(b"handoff", answers.handoff(piece)))
        elif isinstance(piece, InferenceResponse):
            live.response = piece


def _delta(chunk: Chunk) -> bytes:
    if not chunk.tool_calls:
        return b'event: delta\ndata: {"text":' + orjson.dumps(chunk.text) + b"}\n\n"
    return event(b"delta", {"text": chunk.text, "tool_calls": chunk.tool_calls})
