"""Reads the event log back: all good records of all workers, and everything that belongs to one request.

Works beside running writers and after any crash: what fails its checksum is skipped and counted, never returned.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from router_core.adapters.events.file import log_files
from router_core.adapters.events.frame import MAX_FRAME_BYTES, decode
from router_core.record import dataclass

Record = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Damage:
    """Filled in while reading: lines that were skipped, and their bytes."""

    frames: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the log knows of one request; of several decisions or outcomes the latest written counts."""

    decision: Record | None
    outcome: Record | None
    qualities: tuple[Record, ...]
    state: Record | None
    policy: Record | None


def read(directory: Path, damage: Damage | None = None) -> Iterator[Record]:
    """Every good record, in the order written within a worker, workers merged by the records' `time`.
    A state or policy record may come several times, once per file that refers to it. Raises OSError."""
    workers = [
        chain.from_iterable(read_file(path, damage) for path in paths)
        for paths in log_files(directory).values()
    ]
    return heapq.merge(*workers, key=_time)


def read_file(path: Path, damage: Damage | None = None) -> Iterator[Record]:
    """The good records of one file; none when it was deleted meanwhile."""
    for line in _lines(path):
        record = decode(line)
        if record is not None:
            yield record
        elif damage is not None:
            damage.frames += 1
            damage.bytes += len(line)


def find(directory: Path, request_id: str) -> Records:
    """The request's records, and the state and policy its decision names. Reads every file: no index is kept."""
    kinds: dict[str, list[Record]] = {"decision": [], "outcome": [], "quality": []}
    home: Path | None = None
    files = list(chain.from_iterable(log_files(directory).values()))
    for path in files:
        for record in _of_request(path, request_id):
            kinds.get(record.get("kind", ""), []).append(record)
            home = path if record.get("kind") == "decision" else home
    decision = kinds["decision"][-1] if kinds["decision"] else None
    # The writer puts them into the decision's own file; others are asked in case it had forgotten them.
    places = [home, *(path for path in files if path != home)] if home is not None else []
    return Records(
        decision=decision,
        outcome=kinds["outcome"][-1] if kinds["outcome"] else None,
        qualities=tuple(kinds["quality"]),
        state=_reference(places, "state", decision),
        policy=_reference(places, "policy", decision),
    )


def _of_request(path: Path, request_id: str) -> Iterator[Record]:
    """Most lines are passed over by a search in the raw bytes, which costs a hundredth of decoding them."""
    needle = b'"request_id":' + orjson.dumps(request_id)
    for line in _lines(path):
        if needle in line:
            record = decode(line)
            if record is not None and record.get("request_id") == request_id:
                yield record


def _reference(places: list[Path], kind: str, decision: Record | None) -> Record | None:
    sha256 = decision.get(f"{kind}_sha256") if decision is not None else None
    if not isinstance(sha256, str):
        return None
    needle = orjson.dumps(sha256)
    for path in places:
        for line in _lines(path):
            record = decode(line) if needle in line else None
            if record is not None and record.get("kind") == kind and record.get("sha256") == sha256:
                return record
    return None


def _lines(path: Path) -> Iterator[bytes]:
    """Lines of bounded length; a longer one comes in pieces, none of which is a good frame."""
    try:
        with path.open("rb") as file:
            yield from iter(lambda: file.readline(MAX_FRAME_BYTES), b"")
    except FileNotFoundError:
        return


def _time(record: Record) -> float:
    value = record.get("time")
    return float(value) if isinstance(value, int | float) else 0.0
