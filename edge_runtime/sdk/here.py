"""One step on this device: the model's answer, whole or as it comes, and the report that tells of it.

Whatever becomes of a step, its report is kept: of a caller that leaves, too.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from edge_runtime.sdk.answers import Delta
from edge_runtime.sdk.body import new_id
from edge_runtime.sdk.deciding import Turn
from edge_runtime.sdk.errors import ClientError
from edge_runtime.sdk.forms import Known, Ready, at_home
from edge_runtime.sdk.home import Home
from edge_runtime.sdk.outbox import Item
from edge_runtime.sdk.steps import Step, typed
from router_core.errors import TargetError
from router_core.execution import Choice, Chunk, ModelAnswer, Usage

Keep = Callable[[Item], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class _Work:
    """One step, from its beginning."""

    turn: Turn
    step: Step
    report: str = field(default_factory=lambda: new_id("rep"))
    began_s: float = field(default_factory=time.perf_counter)

    @property
    def ms(self) -> float:
        return (time.perf_counter() - self.began_s) * 1000.0

    @property
    def limit_s(self) -> float:
        return self.turn.table.policy.limits.deadline_ms / 1000.0


class Here:
    """`keep` puts a report into the outbox."""

    def __init__(self, home: Home, keep: Keep) -> None:
        self._home, self._keep = home, keep

    async def whole(self, turn: Turn, step: Step, ready: Ready) -> Known:
        """Raises `ClientError`."""
        work = _Work(turn=turn, step=step)
        try:
            given = await self._home.answer(turn, step.target, work.limit_s)
        except TargetError as error:
            raise await self._failed(work, error) from error
        except asyncio.CancelledError:
            await asyncio.shield(self._tell(work, status="cancelled"))
            raise
        return await self._done(work, ready, given)

    async def streamed(self, turn: Turn, step: Step, ready: Ready) -> AsyncGenerator[Delta | Known, None]:
        """Deltas, then the whole; a command comes as one, since half of it is of no use. Raises `ClientError`."""
        if turn.context.task == "command":
            known = await self.whole(turn, step, ready)
            yield Delta(text=known.answer.text or "")
            yield known
            return
        work, told = _Work(turn=turn, step=step), _Told(json_wanted=turn.request.params.wants_json)
        try:
            chunks = self._home.stream(turn, step.target, work.limit_s)
            async with aclosing(told.texts(chunks)) as texts:
                async for text in texts:
                    yield Delta(text=text)
        except TargetError as error:
            raise await self._failed(work, error) from error
        except (asyncio.CancelledError, GeneratorExit):
            await asyncio.shield(self._tell(work, status="cancelled"))
            raise
        yield await self._done(work, ready, told.answer())

    async def _done(self, work: _Work, ready: Ready, given: ModelAnswer) -> Known:
        known = at_home(work.turn, work.step.target, ready, given, work.ms)
        # A caller that leaves now leaves an answer behind that was given.
        tokens = given.usage.completion_tokens
        await asyncio.shield(self._tell(work, status="completed", output_tokens=tokens))
        return Known(answer=known, report=work.report)

    async def _failed(self, work: _Work, error: TargetError) -> ClientError:
        known = typed(error)
        await self._tell(work, status="failed", reason=known.reason)
        return known

    async def _tell(self, work: _Work, **what: Any) -> None:
        """A report holds no word of the request: who, how, how long."""
        body = {
            "id": work.report,
            "target": work.step.target,
            "time_s": round(time.time(), 3),
            "task": work.turn.context.task,
            "policy": work.turn.decision.policy,
            "latency_ms": round(work.ms, 3),
            **what,
        }
        await self._keep(Item(id=work.report, kind="report", body=body))


@dataclass(slots=True, kw_only=True)
class _Told:
    """A stream, put together."""

    json_wanted: bool
    text: str = ""
    finish: str = "stop"
    usage: Usage = field(default_factory=Usage)

    async def texts(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[str, None]:
        """The texts of the chunks, which are noted on their way."""
        async with aclosing(chunks):
            async for chunk in chunks:
                self.text += chunk.text
                self.finish = chunk.finish_reason or self.finish
                self.usage = chunk.usage or self.usage
                if chunk.text:
                    yield chunk.text

    def answer(self) -> ModelAnswer:
        choice = Choice(text=self.text, finish_reason=self.finish)
        return ModelAnswer(choices=(choice,), usage=self.usage, json=self._json())

    def _json(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self.text) if self.json_wanted else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None
