"""How fast a stand-in answers: time to first token and per token, by model, plus the faults that strike in between.

The figures are round, chosen so that the order between model sizes is believable; they are not measurements
of any service. A scale of 0 makes every wait vanish, which is what tests use.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway.sandbox.faults import Step
from gateway.sandbox.wire import ConnectionCutError


class ScriptedStreamError(Exception):
    """A script asked for an error event at this point of the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Milliseconds until the first token, per prompt token read, and between tokens."""

    ttft_ms: float
    token_ms: float
    prompt_token_ms: float = 0.0

    def scaled(self, factor: float) -> Pace:
        """The same pace, `factor` times as slow."""
        return Pace(
            ttft_ms=self.ttft_ms * factor,
            token_ms=self.token_ms * factor,
            prompt_token_ms=self.prompt_token_ms * factor,
        )

    def after_prompt(self, prompt_tokens: int, step: Step) -> Pace:
        """The pace of one request: its prompt read, a script's own figures in place of the usual ones."""
        usual = self.ttft_ms + self.prompt_token_ms * prompt_tokens
        return Pace(
            ttft_ms=usual if step.ttft_ms is None else step.ttft_ms,
            token_ms=self.token_ms if step.token_ms is None else step.token_ms,
        )


_CLOUD: tuple[tuple[str, Pace], ...] = (
    ("nova-micro", Pace(ttft_ms=250, token_ms=5, prompt_token_ms=0.02)),
    ("nova-lite", Pace(ttft_ms=300, token_ms=6.5, prompt_token_ms=0.03)),
    ("nova-pro", Pace(ttft_ms=450, token_ms=10, prompt_token_ms=0.05)),
    ("haiku", Pace(ttft_ms=450, token_ms=8, prompt_token_ms=0.04)),
    ("sonnet", Pace(ttft_ms=700, token_ms=14, prompt_token_ms=0.06)),
    ("opus", Pace(ttft_ms=1100, token_ms=22, prompt_token_ms=0.08)),
    ("embed", Pace(ttft_ms=60, token_ms=0)),
)
_CLOUD_OTHER = Pace(ttft_ms=400, token_ms=10, prompt_token_ms=0.05)
EDGE = Pace(ttft_ms=40, token_ms=12, prompt_token_ms=0.15)


def cloud_pace(model: str) -> Pace:
    """The pace of a Bedrock model id; an unknown one gets a middling pace."""
    return next((pace for part, pace in _CLOUD if part in model), _CLOUD_OTHER)


async def hold(milliseconds: float) -> None:
    """Wait; nothing at all for 0, so that an unpaced stand-in stays as fast as the loop."""
    if milliseconds > 0:
        await asyncio.sleep(milliseconds / 1000)


async def paced(pieces: Sequence[str], pace: Pace, step: Step) -> AsyncIterator[str]:
    """Yield the pieces on time.

    Raises `ConnectionCutError` or `ScriptedStreamError` where the script says so; a scripted stall never ends
    by itself (the request is cancelled when the client leaves).
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    for index, piece in enumerate(pieces):
        await _strike(index, step)
        # Due times counted from the start: oversleeping once must not slow the whole answer.
        due = start + (pace.ttft_ms + index * pace.token_ms) / 1000
        await hold((due - loop.time()) * 1000)
        yield piece
    await _strike(len(pieces), step, last=True)


async def _strike(index: int, step: Step, *, last: bool = False) -> None:
    """Play the step's fault if its moment has come; a fault due after the end strikes at the end."""
    if _due(step.stall_after, index, last):
        await asyncio.Event().wait()
    if _due(step.cut_after, index, last):
        raise ConnectionCutError
    if _due(step.error_after, index, last):
        raise ScriptedStreamError(step.message)


def _due(after: int | None, index: int, last: bool) -> bool:
    return after is not None and (index == after or (last and after > index))
