"""Where records go and where stored decisions are read back from: the event log, and the stores that the settings name.

The log is always written. A table that is named is read in its place; while it can't be reached, the log answers for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from gateway.http.ports import DecisionQuery, EventLookup
from router_core.adapters.dynamodb.decisions import DynamoDecisions
from router_core.adapters.dynamodb.lookup import DynamoLookup
from router_core.adapters.events.log import EventLog
from router_core.adapters.events.reader import find, read
from router_core.errors import RequestError, StoreError

FLUSH_S = 2.0
MAX_TENANTS = 500
TENANTS_AT_ONCE = 8


class TableLookup:
    """`EventLookup` on the decisions table. `tenants` are those whose decisions are shown where none is named: the
    table is asked tenant by tenant, because reading all of it would cost by its size."""

    def __init__(
        self, table: DynamoLookup, sink: DynamoDecisions, tenants: Sequence[str], log: EventLookup
    ) -> None:
        self._table, self._sink, self._tenants, self._log = table, sink, tenants, log

    async def find(self, request_id: str) -> Mapping[str, Any] | None:
        """The decision and its outcome. What is not there yet may still be on its way from here: asked once more."""
        try:
            found = await self._table.find(request_id)
            if found is None or found["outcome"] is None:
                await asyncio.to_thread(self._sink.flush, FLUSH_S)
                found = await self._table.find(request_id)
        except StoreError:
            return await self._log.find(request_id)
        return found

    async def recent(self, query: DecisionQuery) -> Sequence[Mapping[str, Any]]:
        """The newest matching decisions of one tenant, or of all tenants that have a key."""
        tenants = self._tenants if query.tenant is None else (query.tenant,)
        if len(tenants) > MAX_TENANTS:
            raise RequestError(f"name a tenant: there are more than {MAX_TENANTS}", field="tenant")
        narrowed = {"tier": query.tier, "chosen": query.target, "class": query.request_class}
        where = {name: value for name, value in narrowed.items() if value is not None}
        newest: list[dict[str, Any]] = []
        try:
            for begin in range(0, len(tenants), TENANTS_AT_ONCE):
                asked = tenants[begin : begin + TENANTS_AT_ONCE]
                parts = await asyncio.gather(*(self._table.recent(one, query.limit, where) for one in asked))
                merged = chain(newest, *parts)
                newest = sorted(merged, key=lambda record: record["time"], reverse=True)[: query.limit]
        except StoreError:
            return await self._log.recent(query)
        return newest


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
