"""An answer on its way out: judged by the policy's rules before anybody sees it, then given back its masked values.

Whole answers are judged at once, streams window by window: a chunk goes out only after the window that it is in was judged,
together with the end of the one before. What is refused ends as `content_filter`, and what was written is billed. What a
cache holds was judged, and is judged again when it is used, because another request may be under other rules.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace

from agents.attempts import Job, nothing_served
from agents.content import whole_text
from agents.guarding.judging import Judging
from agents.guarding.lanes import Lane
from agents.guarding.masking import Mask
from agents.guarding.outside import Asking
from agents.guarding.restoring import Restorer, restored_output
from agents.guarding.verdicts import Verdicts
from agents.turn import Turn
from router_core.execution import Chunk, Execution, Handoff, Output
from router_core.inference import InferenceResponse, Opened

Part = Opened | Chunk | Handoff | Execution


class Release:
    """One request's."""

    def __init__(self, *, asking: Asking, verdicts: Verdicts, turn: Turn, mask: Mask) -> None:
        self._turn, self._mask = turn, mask
        policy = turn.table.policy
        self._judging = Judging(asking, verdicts, turn.context, policy) if policy.guard.reads_output else None
        if self._judging is not None and not self._judging.rules:
            self._judging = None

    async def whole(self, output: Output) -> Output:
        """A whole answer, judged. Raises `GuardUnavailableError` or `GuardBlockedError` where nobody could judge it."""
        if self._judging is None or not output.choices:
            return output
        self._judging.asked = whole_text(self._turn.request)
        structured = output.json
        choices = []
        for choice in output.choices:
            judged = await self._judging.choice(choice, structured)
            structured = structured if judged is choice else None
            choices.append(judged)
        if structured is not None and not self._judging.clean(structured):
            structured = None
        return replace(output, choices=tuple(choices), json=structured)

    async def executed(self, execution: Execution) -> Execution:
        """The same for an execution."""
        output = await self.whole(execution.output)
        return execution if output is execution.output else replace(execution, output=output)

    def restored(self, response: InferenceResponse) -> InferenceResponse:
        """The response with the caller's own values in their places; never what is kept in the cache."""
        if not self._mask.values or response.output is None:
            return response
        return replace(response, output=restored_output(response.output, self._mask))

    def stream(self, parts: AsyncGenerator[Part, None], job: Job) -> AsyncGenerator[Part, None]:
        """The parts of a stream, judged, its chunks restored; the account at the end holds what went out, not restored."""
        if self._judging is not None:
            parts = self._held(parts, job, self._judging)
        return self._filled(parts) if self._mask.values else parts

    async def _filled(self, parts: AsyncGenerator[Part, None]) -> AsyncGenerator[Part, None]:
        restorer = Restorer(self._mask)
        async with aclosing(parts):
            async for part in parts:
                for out in _restored(part, restorer):
                    yield out

    async def _held(
        self, parts: AsyncGenerator[Part, None], job: Job, judging: Judging
    ) -> AsyncGenerator[Part, None]:
        judging.asked = whole_text(self._turn.request)
        lanes: dict[int, Lane] = {}
        opened: Opened | None = None
        async for part in parts:
            opened = part if isinstance(part, Opened) else opened
            for out in await _judged(part, lanes, judging):
                yield out
            if opened is not None and _all_refused(lanes, job.request.params.n):
                # Nothing more may be said: the target is told to stop, and what it wrote is billed.
                await parts.aclose()
                execution = replace(nothing_served(job, judging.now()), served=opened.served)
                yield _as_sent(execution, lanes)
                return


def _restored(part: Part, restorer: Restorer) -> list[Part]:
    """A part with its values; before the account, what still waited."""
    if isinstance(part, Chunk):
        return [*restorer.take(part)]
    return [*restorer.rest(), part] if isinstance(part, Execution) else [part]


async def _judged(part: Part, lanes: dict[int, Lane], judging: Judging) -> list[Part]:
    """What may go out now that this part is there."""
    if isinstance(part, Chunk):
        return [*await lanes.setdefault(part.index, Lane(part.index, judging)).take(part)]
    if isinstance(part, Execution):
        return [*await _flushed(lanes.values()), _as_sent(part, lanes)]
    return [part]


async def _flushed(lanes: Iterable[Lane]) -> list[Chunk]:
    """What streams without a finish reason still held."""
    return [chunk for lane in lanes for chunk in await lane.flush()]


def _all_refused(lanes: dict[int, Lane], choices: int) -> bool:
    return len(lanes) >= choices and all(lane.refused for lane in lanes.values())


def _as_sent(execution: Execution, lanes: dict[int, Lane]) -> Execution:
    """The account with what really went out in the place of what was refused or redacted."""
    sent = {index: lane.sent for index, lane in lanes.items() if lane.changed}
    if not sent:
        return execution
    known = {choice.index: choice for choice in execution.output.choices}
    choices = tuple(choice for _, choice in sorted({**known, **sent}.items()))
    return replace(execution, output=replace(execution.output, choices=choices, json=None))
