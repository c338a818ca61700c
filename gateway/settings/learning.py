"""Files in which learning from the event log is kept: the `[learning]` part of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningSettings:
    """`checks` is what `tierwise learn checks` fitted, `heads` what `tierwise learn model` did; both are read again when they
    change. Without them the declared weights and qualities stand."""

    checks: Path | None = None
    heads: Path | None = None
