"""The beginning of a stream, while it is not yet sure whose stream it will be."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from agents.attempts import Tries
from agents.progress import Progress, StreamAttempt
from router_core.errors import TimeoutTargetError
from router_core.execution import Chunk, Handoff
from router_core.inference import Opened


@dataclass(slots=True, kw_only=True)
class Opening:
    """One attempt's stream; `chunk` is its first, where that was read already."""

    attempt: StreamAttempt
    chunks: AsyncGenerator[Chunk, None]
    chunk: Chunk | None = None

    async def events(self, progress: Progress) -> AsyncGenerator[Opened | Chunk | Handoff, None]:
        """What the stream gives the client."""
        spec = self.attempt.step.spec
        async with aclosing(self.chunks) as chunks:
            if self.chunk is not None:
                for event in progress.take(spec, self.chunk):
                    yield event
            async for chunk in chunks:
                for event in progress.take(spec, chunk):
                    yield event


async def opened(opening: Opening) -> Opening:
    """With its first chunk; without one where it failed before."""
    opening.chunk = await anext(opening.chunks, None)
    return opening


async def settle(came: list[Opening], begun: list[Opening], tries: Tries) -> Opening:
    """The winner of a race of streams; the others are ended and noted. Without a winner the first, failed."""
    winner = next((one for one in came if one.chunk is not None), begun[0])
    for one in begun:
        if one is winner:
            continue
        with suppress(RuntimeError):  # at work still, although it was called off: it ends by itself
            await one.chunks.aclose()
        name, error = one.attempt.step.spec.name, one.attempt.error
        if error is None:
            tries.spared(name)
        else:
            tries.failed(name, error)
    if winner.chunk is None and winner.attempt.error is None:
        winner.attempt.error = TimeoutTargetError("no answer began in time")
    return winner
