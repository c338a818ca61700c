"""How workers of one gateway learn each other's numbers: each drops its snapshot as a file in a run directory.

Decides what an absent worker means: its gauges (up, in flight) are forgotten after `FRESH_S`, its counters stay,
because a sum that falls would look to Prometheus like a restart and be counted twice.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson

from router_core.monitor_merge import from_record, to_record
from router_core.monitoring import MonitorSnapshot
from router_core.ports import Clock

FRESH_S: Final = 10.0
MAX_FILES: Final = 256
MAX_BYTES: Final = 8 * 1024 * 1024


class SnapshotFiles:
    """Snapshots of the workers that share `directory`. `worker` names the own file: letters, digits, _ and -;
    with the process id in it a worker that comes back doesn't overwrite what it had counted before."""

    def __init__(self, directory: Path, worker: str, clock: Clock) -> None:
        self._directory = directory
        self._own = directory / f"worker-{worker}.json"
        self._clock = clock

    def clear(self) -> None:
        """Forget all workers; for the parent, before it starts the first. Raises OSError."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def write(self, snapshot: MonitorSnapshot) -> None:
        """Replace the own file atomically: a reader sees the old one or the new one. Raises OSError."""
        body = orjson.dumps({"time": self._clock.now_s(), "snapshot": to_record(snapshot)})
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self._own.with_suffix(f".{os.getpid()}.tmp")
        partial.write_bytes(body)
        partial.replace(self._own)

    def read_others(self) -> tuple[MonitorSnapshot, ...]:
        """What the other workers wrote last, stale ones without their targets. Broken files are passed over."""
        found = (self._read(path) for path in self._files() if path != self._own)
        return tuple(snapshot for snapshot in found if snapshot is not None)

    def _files(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return sorted(self._directory.glob("worker-*.json"))[:MAX_FILES]
        return []

    def _read(self, path: Path) -> MonitorSnapshot | None:
        try:
            if path.stat().st_size > MAX_BYTES:
                return None
            record = orjson.loads(path.read_bytes())
            age_s = self._clock.now_s() - float(record["time"])
            snapshot = from_record(record["snapshot"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return snapshot if abs(age_s) <= FRESH_S else replace(snapshot, targets=())
