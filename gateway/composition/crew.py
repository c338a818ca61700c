"""What the workers of one gateway share: their numbers, and which targets an operator has taken out of service.

Both are files in a run directory that the parent makes and removes; a single worker has none and shares nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from agents.resource import TargetView
from router_core.adapters.snapshot_files import SnapshotFiles
from router_core.adapters.system_clock import SystemClock
from router_core.monitor_merge import merge
from router_core.monitoring import MonitorSnapshot

EVERY_S: Final = 1.0
DRAINED: Final = "drained.json"


class Watched(Protocol):
    """A router as its operator sees it."""

    def snapshot(self) -> MonitorSnapshot: ...

    def targets(self) -> Sequence[TargetView]: ...

    def drain(self, target: str, draining: bool) -> None: ...


class Crew:
    """One worker's view of all. `directory` None means that it is alone."""

    def __init__(self, router: Watched, directory: Path | None, worker: str, clock: SystemClock) -> None:
        self._router = router
        self._directory = directory
        self._files = (
            SnapshotFiles(directory, f"{worker}-{os.getpid()}", clock) if directory is not None else None
        )
        self._applied: frozenset[str] = frozenset()
        self.every_s = EVERY_S if directory is not None else 3600.0

    def snapshot(self) -> MonitorSnapshot:
        """The numbers of all workers, those of the others as they wrote them last."""
        own = self._router.snapshot()
        return own if self._files is None else merge((own, *self._files.read_others()))

    def exchange(self) -> None:
        """Write the own numbers; pass on what an operator told this worker, and do what others were told.
        Raises OSError."""
        if self._files is None or self._directory is None:
            return
        self._files.write(self._router.snapshot())
        file = self._directory / DRAINED
        here, wanted = self._draining(), self._wanted(file)
        added, removed = here - self._applied, self._applied - here
        if added or removed:
            wanted = (wanted | added) - removed
            partial = file.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(sorted(wanted)), encoding="utf-8")
            partial.replace(file)
        for target in wanted ^ here:
            self._router.drain(target, target in wanted)
        self._applied = wanted

    def _draining(self) -> frozenset[str]:
        return frozenset(view.name for view in self._router.targets() if view.draining)

    def _wanted(self, file: Path) -> frozenset[str]:
        try:
            return frozenset(json.loads(file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            return frozenset()
