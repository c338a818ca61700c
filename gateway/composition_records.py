"""Reads stored decisions back for the HTTP side, on a thread: the log is files, and the event loop must not wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.http.ports import DecisionQuery
from router_core.adapters.event_log import EventLog
from router_core.adapters.event_reader import find, read

FLUSH_S = 2.0


class LogLookup:
    """`EventLookup` on the event log's own folder. One search at a time: each reads every file."""

    def __init__(self, directory: Path, log: EventLog) -> None:
        self._directory, self._log = directory, log
        self._turn = asyncio.Lock()

    async def find(self, request_id: str) -> Mapping[str, Any] | None:
        """The decision and its outcome, None when the log holds no such decision."""
        async with self._turn:
            return await asyncio.to_thread(self._find, request_id)

    async def recent(self, query: DecisionQuery) -> Sequence[Mapping[str, Any]]:
        """The newest matching decisions, newest first."""
        async with self._turn:
            return await asyncio.to_thread(self._recent, query)

    def _find(self, request_id: str) -> Mapping[str, Any] | None:
        self._log.flush(FLUSH_S)
        records = find(self._directory, request_id)
        if records.decision is None:
            return None
        return {"decision": records.decision, "outcome": records.outcome}

    def _recent(self, query: DecisionQuery) -> list[Mapping[str, Any]]:
        self._log.flush(FLUSH_S)
        try:
            kept = deque(
                (record for record in read(self._directory) if _matches(record, query)), maxlen=query.limit
            )
        except OSError:
            return []
        return list(reversed(kept))


def _matches(record: Mapping[str, Any], query: DecisionQuery) -> bool:
    wanted = (
        ("tenant", query.tenant),
        ("tier", query.tier),
        ("chosen", query.target),
        ("class", query.request_class),
    )
    return record.get("kind") == "decision" and all(
        value is None or record.get(key) == value for key, value in wanted
    )
