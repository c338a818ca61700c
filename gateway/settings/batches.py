"""How large batches may be and how fast they go: the `[batches]` part of the settings."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.settings.rules import bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """Batches: how large a file, how many lines it has, how long one is; how many files, megabytes and unfinished batches a
    tenant may have; how many lines of all batches run at once while nothing presses, and how many when a window does; from
    which load of its targets a line waits for a quieter moment; how long result files are kept."""

    file_mb: int = bounded(100, 1, 2048)
    lines: int = bounded(50_000, 1, 1_000_000)
    line_kb: int = bounded(1024, 1, 16_384)
    tenant_files: int = bounded(1_000, 1, 1_000_000)
    tenant_mb: int = bounded(2_048, 1, 1_000_000)
    tenant_batches: int = bounded(100, 1, 100_000)
    running: int = bounded(4, 1, 256)
    pressed_running: int = bounded(16, 1, 1024)
    idle_below: float = bounded(0.7, 0.01, 10.0)
    keep_days: float = bounded(30.0, 0.01, 3650.0)
