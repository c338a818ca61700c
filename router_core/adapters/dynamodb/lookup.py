"""Reads stored decisions back from the decisions table: one request by its id, or a tenant's newest through the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import AwsThreads, store_errors
from router_core.adapters.dynamodb.faults import FAULTS
from router_core.adapters.dynamodb.records import FILTERS, Item, record_of
from router_core.adapters.system_clock import SystemClock
from router_core.deployment import TENANT_INDEX
from router_core.ports import Clock

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PAGES: Final = 20
"""How much of the index one search reads, in answers of at most 1 MB: a filter that nothing meets must end, too."""
PAGE_ITEMS: Final = 200
_WHAT: Final = "the decisions table"
_CLOCK: Final = SystemClock()


class DynamoLookup:
    """Reads the table that `DynamoDecisions` writes. `fetched` gives bodies from the archive. What is past its time
    is not there, although DynamoDB deletes it later."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        fetched: Callable[[str], bytes] | None = None,
        threads: AwsThreads | None = None,
        clock: Clock = _CLOCK,
    ) -> None:
        self._client, self._table, self._fetched, self._clock = client, table, fetched, clock
        self._threads = threads or AwsThreads()

    async def find(self, request_id: str) -> dict[str, Any] | None:
        """`{"decision": record, "outcome": record or None}`, None when there is no such decision. Whose it is, the
        caller compares. Of several outcomes the one with the latest time counts. Raises `StoreError`."""
        return await self._threads.run(self._find, request_id)

    async def recent(self, tenant: str, limit: int, where: Mapping[str, str]) -> list[dict[str, Any]]:
        """The tenant's newest decisions, newest first; `where` maps names of `FILTERS` to what they must be.
        May miss the last moments, as an index does. Raises `StoreError`."""
        return await self._threads.run(self._recent, tenant, limit, where)

    async def close(self) -> None:
        """Wait for the calls that run."""
        await self._threads.close()

    def _find(self, request_id: str) -> dict[str, Any] | None:
        query: dict[str, Any] = {
            # Judgements sort behind; a request may have any number of them, and none is asked for here.
            "KeyConditionExpression": "request_id = :id AND #kind < :judged",
            "ExpressionAttributeNames": {"#kind": "kind"},
            "ExpressionAttributeValues": {":id": {"S": request_id}, ":judged": {"S": "quality"}},
            "ConsistentRead": True,
        }
        decision, outcome = None, None
        for item in self._items(query):
            record = record_of(item, self._fetched)
            if record is not None and record.get("kind") == "decision":
                decision = record
            elif record is not None and (outcome is None or _time(record) >= _time(outcome)):
                outcome = record
        return None if decision is None else {"decision": decision, "outcome": outcome}

    def _recent(self, tenant: str, limit: int, where: Mapping[str, str]) -> list[dict[str, Any]]:
        unknown = where.keys() - set(FILTERS)
        if unknown:
            raise ValueError(f"decisions are not narrowed by {sorted(unknown)}")
        names = {f"#{name}": name for name in where}
        values = {f":{name}": {"S": value} for name, value in where.items()}
        query: dict[str, Any] = {
            "IndexName": TENANT_INDEX,
            "KeyConditionExpression": "tenant = :tenant",
            "ExpressionAttributeValues": {":tenant": {"S": tenant}, **values},
            "ScanIndexForward": False,
            "Limit": PAGE_ITEMS if where else min(limit, PAGE_ITEMS),
        }
        if where:
            query["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in where)
            query["ExpressionAttributeNames"] = names
        found: list[dict[str, Any]] = []
        for item in self._items(query):
            record = record_of(item, self._fetched)
            if record is not None:
                found.append(record)
            if len(found) >= limit:
                break
        return found

    def _items(self, query: dict[str, Any]) -> Iterator[Item]:
        """What the query finds and what is not past its time, page by page."""
        now_s = self._clock.now_s()
        for _ in range(PAGES):
            with store_errors(_WHAT, FAULTS):
                answer: Mapping[str, Any] = self._client.query(TableName=self._table, **query)
            for item in answer["Items"]:
                if "expires" not in item or int(item["expires"]["N"]) > now_s:
                    yield item
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _time(record: Mapping[str, Any]) -> float:
    value = record.get("time")
    return float(value) if isinstance(value, int | float) else 0.0
