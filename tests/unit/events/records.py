"""Records as the log gets them. Imported by a program that is started often, so nothing heavy comes in here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from router_core.adapters.events.file import EventFiles
from router_core.adapters.events.writer import EventWriter

ROOMY = 1 << 30


def outcome(number: int) -> dict[str, Any]:
    """A record whose content follows from its number, so that a reader can tell it is whole."""
    return {
        "kind": "outcome",
        "time": float(number),
        "request_id": f"r{number}",
        "cost_usd": number / 7.0,
        "text": "line\nfeed " + chr(0x1F600 + number % 50) * (number % 90),
    }


def decision(number: int, *, state: str, policy: str) -> dict[str, Any]:
    return {
        "kind": "decision",
        "time": float(number),
        "request_id": f"r{number}",
        "state_sha256": state,
        "policy_sha256": policy,
    }


def reference(kind: str, sha256: str) -> dict[str, Any]:
    return {"kind": kind, "time": 0.0, "sha256": sha256, "body": sha256 * 3}


def writer(
    directory: Path, worker: str = "w0", *, max_bytes: int = ROOMY, keep_files: int = 1000
) -> EventWriter:
    return EventWriter(EventFiles(directory, worker, max_bytes=max_bytes, keep_files=keep_files))
