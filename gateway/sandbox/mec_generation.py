"""One generation on the stand-in node: its slot, its pace, its stream, and what it adds to the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import orjson
from starlette.types import Send

from gateway.sandbox import pacing, wire
from gateway.sandbox.faults import Step
from gateway.sandbox.mec_answers import Writer, replies_of
from gateway.sandbox.mec_engine import Engine
from gateway.sandbox.mec_errors import scripted
from gateway.sandbox.mec_requests import Job
from gateway.sandbox.replies import Reply

_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_DONE = b"data: [DONE]\n\n"


@dataclass(slots=True, kw_only=True)
class Generation:
    """Answers one job; `pace_scale` multiplies every wait."""

    job: Job
    step: Step
    engine: Engine
    writer: Writer
    pace_scale: float
    replies: list[Reply] = field(init=False)

    def __post_init__(self) -> None:
        self.replies = replies_of(self.job)

    async def run(self, send: Send) -> None:
        """Wait for a slot and answer. Raises `ApiError` for a scripted error before the first byte."""
        arrived = asyncio.get_running_loop().time()
        tokens = self.job.prompt_tokens + sum(reply.tokens for reply in self.replies)
        async with self.engine.slot(self.job.question.model, tokens):
            if self.job.streams:
                await wire.send_stream(send, self._events(arrived), _EVENT_STREAM)
                return
            try:
                await self._wait_for_all(arrived)
            except wire.ConnectionCutError:
                await wire.send_half(send, self.writer.whole(self.replies))
            except pacing.ScriptedStreamError as error:
                raise scripted(self.step) from error
        await wire.send_json(send, 200, self.writer.whole(self.replies))

    async def _turns(self, arrived: float) -> AsyncIterator[int]:
        """The position of each decoding turn, on time; the longest choice sets their number."""
        model = self.job.question.model
        cached = self.engine.read_prompt(model, self.job.prompt, self.job.prompt_tokens)
        pace = pacing.EDGE.scaled(self.pace_scale).after_prompt(self.job.prompt_tokens - cached, self.step)
        position = 0
        async for _ in pacing.paced(max((reply.pieces for reply in self.replies), key=len), pace, self.step):
            if position == 0:
                first = asyncio.get_running_loop().time() - arrived
                self.engine.counts[model].observe_ttft(first)
            yield position
            position += 1
        for reply in self.replies:
            self.engine.finish(model, "length" if reply.finish == "length" else "stop", reply.tokens)

    async def _wait_for_all(self, arrived: float) -> None:
        async for _ in self._turns(arrived):
            pass

    async def _events(self, arrived: float) -> AsyncIterator[bytes]:
        """The server-sent events of a stream; choices take turns token by token."""
        for index, reply in enumerate(self.replies):
            for chunk in self.writer.opening(index, reply):
                yield _sse(chunk)
        try:
            async for position in self._turns(arrived):
                for event in self._at(position):
                    yield event
        except pacing.ScriptedStreamError:
            yield _sse(scripted(self.step).body)
            yield _DONE
            return
        for index, reply in enumerate(self.replies):
            yield _sse(self.writer.closing(index, reply))
        if self.job.wants_usage:
            yield _sse(self.writer.usage_chunk(self.replies))
        yield _DONE

    def _at(self, position: int) -> Iterator[bytes]:
        for index, reply in enumerate(self.replies):
            if position < len(reply.pieces):
                yield _sse(self.writer.token(index, reply, reply.pieces[position]))


def _sse(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
