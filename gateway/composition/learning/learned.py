"""What was learned from the event log and lies in files: read at the start, and again when a file changes.

A file that is broken at the start is an error; later the last good one stays, and the log says so once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from gateway.settings.learning import LearningSettings
from router_core.errors import ConfigurationError
from router_core.learning import adopted, verification
from router_core.learning.adopted import NOTHING_ADOPTED, Adopted
from router_core.learning.scorer import Predicted
from router_core.learning.verification import UNFITTED

if TYPE_CHECKING:
    from agents.assembly import Ports
    from agents.context import Foresee

LOOK_S: Final = 10.0
LARGEST: Final = 2**20
Closer = Callable[[], Awaitable[None]]
T = TypeVar("T")
_log: Final = logging.getLogger("tierwise.learned")


class Learned(Generic[T]):
    """One file; called, it gives what the file said last."""

    def __init__(self, file: Path | None, key: str, nothing: T, read: Callable[[Any], T]) -> None:
        self._file, self._key, self._read = file, key, read
        self._now, self._seen = nothing, self._state()
        if file is not None:
            self._now = self._taken(file)

    def __call__(self) -> T:
        return self._now

    def look(self) -> None:
        """Read again what has changed. Blocks."""
        state = self._state()
        if self._file is None or state == self._seen:
            return
        self._seen = state
        try:
            self._now = self._taken(self._file)
        except ConfigurationError as error:
            _log.warning("%s; what was read before stays", error)

    def _state(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat() if self._file is not None else None
        except OSError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_size)

    def _taken(self, file: Path) -> T:
        try:
            with file.open("rb") as source:
                return self._read(json.loads(source.read(LARGEST)))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"{self._key}: {file}: {error}") from error


class LearnedFiles:
    """All files that the settings name; without any, what is declared. Raises `ConfigurationError`."""

    def __init__(self, settings: LearningSettings) -> None:
        self.keeping = Learned(settings.checks, "learning.checks", UNFITTED, verification.from_document)
        self.heads = Learned(settings.heads, "learning.heads", NOTHING_ADOPTED, adopted.from_document)

    def foresee(self, text: str) -> Predicted:
        """The packaged scorer's word, with the heads of the file; its weights are mapped when the first text comes."""
        from router_core.adapters.scorer_weights import foresee

        return foreseeing(foresee, self.heads)(text)

    def look(self) -> None:
        """Read again what has changed. Blocks."""
        self.keeping.look()
        self.heads.look()


def with_learned(settings: LearningSettings, closers: list[Closer], ports: Ports) -> Ports:
    """The ports with what the files say, which are looked at from now on. Raises `ConfigurationError`."""
    if settings.checks is None and settings.heads is None:
        return ports
    files = LearnedFiles(settings)
    looking = asyncio.create_task(_looking(files.look))

    async def close() -> None:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    closers.append(close)
    scorer = ports.foresee
    foresee = None if scorer is None else foreseeing(scorer, files.heads)
    return replace(ports, keeping=files.keeping, foresee=foresee)


def foreseeing(scorer: Foresee, heads: Callable[[], Adopted]) -> Foresee:
    """The scorer, with the chances of those who have a head of their own."""

    def foresee(text: str) -> Predicted:
        found, known = scorer(text), heads()
        return replace(found, targets=known.chances(found.quality)) if known.heads else found

    return foresee


async def _looking(look: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(look)
