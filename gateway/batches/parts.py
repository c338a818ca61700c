"""What batches are built from: the opened shelves of a store, how much may be, and what is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Protocol

import msgspec

from gateway.http.wire.inference import TierwiseBody
from router_core.inference import Caller
from router_core.jobs.batches import Batch, Schedule
from router_core.jobs.batches_ports import BatchLines, BatchShelf, BatchWork, FileContent, FileShelf
from router_core.payload import from_json
from router_core.record import dataclass


class FileRoom(Protocol):
    """How much room files take. Raises `StoreError`."""

    async def used(self, tenant: str) -> tuple[int, int]:
        """How many files a tenant has, and their bytes."""

    async def sweep(self) -> int:
        """Delete files past their time; how many."""


class LineLoad(Protocol):
    """How much of the queue is batches'. Raises `StoreError`."""

    async def outstanding(self) -> int:
        """Lines of all batches that are jobs and not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatches:
    """The parts of an opened store that batches use."""

    files: FileShelf
    content: FileContent
    shelf: BatchShelf
    work: BatchWork
    lines: BatchLines
    load: LineLoad
    room: FileRoom


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How large, how many, how fast; see the settings of the same names. Bytes and seconds."""

    file_bytes: int = 100 * 2**20
    lines: int = 50_000
    line_bytes: int = 2**20
    tenant_files: int = 1_000
    tenant_bytes: int = 2**31
    tenant_batches: int = 100
    schedule: Schedule = Schedule()
    pressed_running: int = 16
    idle_below: float = 0.7
    keep_s: float = 30 * 86_400.0


class Bell:
    """Tells the driver of this process, where there is one, that there is something new."""

    def __init__(self) -> None:
        self.heard: Callable[[], None] = lambda: None

    def ring(self) -> None:
        self.heard()


@dataclass(slots=True)
class BatchFigures:
    """What this process did for batches since its start, for metrics."""

    ended: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0

    def exposition(self) -> bytes:
        """Prometheus' text form."""
        rows = [
            "# HELP tierwise_batches_unfinished Batches that this process had in hand at its last look.",
            "# TYPE tierwise_batches_unfinished gauge",
            f"tierwise_batches_unfinished {self.unfinished}",
            "# HELP tierwise_batches_total Batches that ended.",
            "# TYPE tierwise_batches_total counter",
            *(f'tierwise_batches_total{{status="{name}"}} {n}' for name, n in sorted(self.ended.items())),
            "# HELP tierwise_batch_lines_total Lines of batches: released as jobs, and written as results.",
            "# TYPE tierwise_batch_lines_total counter",
            *(f'tierwise_batch_lines_total{{state="{name}"}} {n}' for name, n in sorted(self.lines.items())),
        ]
        return ("\n".join(rows) + "\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is kept sealed of a batch: who made it, and what the owner said of it."""

    caller: Caller
    metadata: Mapping[str, str] = field(default_factory=dict)
    tierwise: Mapping[str, Any] | None = None
    max_cost_usd: float | None = None
    output_expires_s: float | None = None

    @property
    def shared(self) -> TierwiseBody | None:
        """What holds for every line that says nothing itself."""
        return None if self.tierwise is None else msgspec.convert(self.tierwise, TierwiseBody)


def about(batch: Batch) -> About:
    """Read back."""
    return from_json(About, msgspec.json.decode(batch.about))
