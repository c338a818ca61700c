"""The library's models as the client uses them: the right version answers, the one on trial is watched and rolled back.

A candidate that fails does not fail the request: the serving version answers it. A model that is usually asked for at this
time of day is opened before it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from edge_runtime.engines.model_folder import MANIFEST
from edge_runtime.library.foresight import LIKELY, Foresight
from edge_runtime.library.residence import Residence
from edge_runtime.library.trial import Shown, fault
from edge_runtime.library.versions import Versions
from router_core.errors import RefusedError, TargetError
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer
from router_core.ports import EmbedCall, ModelCall

Result = TypeVar("Result")
PREPARE_S: Final = 60.0


class LibraryModels:
    """`DeviceModels` over installed versions; `device_id` decides which devices try a candidate, `foresight` which models
    are opened ahead. `clock` gives wall seconds."""

    def __init__(
        self,
        versions: Versions,
        residence: Residence,
        device_id: str,
        foresight: Foresight | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._versions, self._residence, self._device_id = versions, residence, device_id
        self._foresight, self._clock = foresight, clock
        self._looking: asyncio.Task[None] | None = None
        self._shown: dict[tuple[str, str], Shown] = {}
        self._shadows: set[asyncio.Task[Any]] = set()

    def names(self) -> tuple[str, ...]:
        """Models that can answer."""
        return self._versions.names()

    async def warm(self) -> None:
        """Open the version of each model that will answer here."""
        for name in self.names():
            folder = self._versions.folder(name, self._version(name))
            async with self._residence.use(folder, _memory_mb(folder)):
                pass

    async def prepare(self) -> None:
        """Open what is likely to be asked for soon, as far as there is room beside what is open."""
        folders = [self._versions.folder(name, self._version(name)) for name in self._likely()]
        self._residence.expected = frozenset(folders)
        for folder in folders:
            memory_mb = _memory_mb(folder)
            if self._residence.warmth(folder) != "hot" and self._residence.fits(memory_mb):
                await self._opened(folder, memory_mb)

    def _likely(self) -> list[str]:
        """Models that are usually asked for at this time, the surest first."""
        if self._foresight is None:
            return []
        now = self._clock()
        chances = {name: self._foresight.chance(name, now) for name in self.names()}
        return sorted((name for name in chances if chances[name] >= LIKELY), key=lambda name: -chances[name])

    async def _opened(self, folder: Path, memory_mb: int) -> None:
        """What cannot be opened now is refused when it is asked for."""
        with contextlib.suppress(RefusedError):
            async with self._residence.use(folder, memory_mb):
                pass

    def close(self) -> None:
        """Close all models."""
        if self._looking is not None:
            self._looking.cancel()
        self._residence.close()

    async def shadows_done(self) -> None:
        """Wait for the work that candidates do beside."""
        await asyncio.gather(*self._shadows)

    async def generate(self, model: str, call: ModelCall) -> ModelAnswer:
        """See `DeviceModels`."""
        return await self._served(model, lambda opened: opened.generate(call))

    async def stream(self, model: str, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """See `DeviceModels`. A candidate that fails before its first piece leaves the answer to the serving version."""
        self._used(model)
        standing, version = self._versions.standing(model), self._version(model)
        if version == standing.active and standing.candidate is not None and standing.mode == "shadow":
            self._shadow(model, standing.candidate, lambda opened: opened.generate(call))
        parts, active = self._pieces(model, version, call), standing.active
        if active is not None and active != version:
            parts = _or_else(parts, lambda: self._pieces(model, active, call))
        async with aclosing(parts):
            async for chunk in parts:
                yield chunk

    async def _pieces(self, name: str, version: str, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """Only failures are noted: how long a stream takes is up to whoever reads it."""
        folder = self._versions.folder(name, version)
        try:
            async with (
                self._residence.use(folder, _memory_mb(folder)) as opened,
                aclosing(opened.stream(call)) as chunks,
            ):
                async for chunk in chunks:
                    yield chunk
        except RefusedError:
            raise
        except TargetError:
            self._note(name, version, 0.0, failed=True)
            raise

    async def embed(self, model: str, call: EmbedCall) -> EmbeddingAnswer:
        """See `DeviceModels`. Vectors come from the serving version alone: those of two versions do not mix."""
        active = self._versions.standing(model).active
        if active is None:
            raise RefusedError("this model is not on this device")
        return await self._run(model, active, lambda opened: opened.embed(call))

    async def _served(self, name: str, work: Callable[[Any], Awaitable[Result]]) -> Result:
        self._used(name)
        standing, version = self._versions.standing(name), self._version(name)
        if version == standing.active:
            if standing.candidate is not None and standing.mode == "shadow":
                self._shadow(name, standing.candidate, work)
            return await self._run(name, version, work)
        try:
            return await self._run(name, version, work)
        except RefusedError:
            raise
        except TargetError:
            if standing.active is None:
                raise
            return await self._run(name, standing.active, work)

    async def _run(self, name: str, version: str, work: Callable[[Any], Awaitable[Result]]) -> Result:
        folder = self._versions.folder(name, version)
        began, failed = time.perf_counter(), True
        try:
            async with self._residence.use(folder, _memory_mb(folder)) as opened:
                began = time.perf_counter()
                result = await work(opened)
            failed = False
            return result
        except RefusedError:
            failed = False
            raise
        finally:
            self._note(name, version, (time.perf_counter() - began) * 1000.0, failed=failed)

    def _used(self, name: str) -> None:
        if self._foresight is None:
            return
        self._foresight.note(name, self._clock())
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_ahead())

    async def _look_ahead(self) -> None:
        while True:
            await self.prepare()
            await asyncio.sleep(PREPARE_S)

    def _shadow(self, name: str, version: str, work: Callable[[Any], Awaitable[Result]]) -> None:
        """The candidate does the same work beside; its answer is not used, its errors and its time are."""
        task: asyncio.Task[Any] = asyncio.create_task(self._silently(self._run(name, version, work)))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _silently(self, work: Awaitable[Any]) -> None:
        try:
            await work
        except TargetError:
            return

    def _note(self, name: str, version: str, latency_ms: float, *, failed: bool) -> None:
        self._shown.setdefault((name, version), Shown()).add(latency_ms, failed=failed)
        standing = self._versions.standing(name)
        if standing.candidate is None or standing.active is None:
            return
        candidate = self._shown.setdefault((name, standing.candidate), Shown())
        if fault(candidate, self._shown.setdefault((name, standing.active), Shown())) is not None:
            self._versions.roll_back(name)

    def _version(self, name: str) -> str:
        version = self._versions.chosen(name, self._device_id)
        if version is None:
            raise RefusedError("this model is not on this device")
        return version


async def _or_else(
    first: AsyncGenerator[Chunk, None], second: Callable[[], AsyncGenerator[Chunk, None]]
) -> AsyncGenerator[Chunk, None]:
    """The second stream where the first one fails before anything came."""
    begun = False
    try:
        async with aclosing(first):
            async for chunk in first:
                begun = True
                yield chunk
        return
    except TargetError as error:
        if begun or isinstance(error, RefusedError):
            raise
    async with aclosing(second()) as chunks:
        async for chunk in chunks:
            yield chunk


@lru_cache(maxsize=256)
def _memory_mb(folder: Path) -> int:
    """Of a version, which never changes where it lies."""
    try:
        return int(json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("min_ram_mb", 0))
    except (OSError, ValueError):
        return 0
