"""Models that take their time, keep their timeout as an adapter does, and know when they were called off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from router_core.errors import TargetError, TimeoutTargetError
from router_core.execution import Choice, Chunk, ModelAnswer, Usage
from router_core.ports import ModelCall


@dataclass
class SlowModel:
    """Answers `text`, or fails with `error`, after `after_s`."""

    after_s: float = 0.0
    text: str = "fine"
    error: TargetError | None = None
    calls: list[ModelCall] = field(default_factory=list)
    called_off: int = 0
    at_work: int = 0

    async def generate(self, call: ModelCall) -> ModelAnswer:
        await self._work(call)
        usage = Usage(prompt_tokens=10, completion_tokens=5)
        return ModelAnswer(choices=(Choice(text=self.text),), usage=usage)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        await self._work(call)
        try:
            yield Chunk(text=self.text)
            yield Chunk(finish_reason="stop")
        except GeneratorExit:
            self.called_off += 1
            raise

    async def _work(self, call: ModelCall) -> None:
        self.calls.append(call)
        self.at_work += 1
        try:
            await asyncio.sleep(min(self.after_s, call.timeout_s))
        except asyncio.CancelledError:
            self.called_off += 1
            raise
        finally:
            self.at_work -= 1
        if self.after_s >= call.timeout_s:
            raise TimeoutTargetError("too slow")
        if self.error is not None:
            raise self.error
