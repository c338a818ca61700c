"""Decisions of the last days from the decisions table, with what came of each and what it was decided on: for whoever wants
to decide them again.

Decides how the table may be read at that size: the index by tenant and time, so that only the asked days are read and not the
whole table, newest first so that a bound keeps the newest; then what belongs to each decision, some requests at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from router_core.adapters.aws.client import error_code, store_errors
from router_core.adapters.dynamodb.faults import FAULTS
from router_core.adapters.dynamodb.records import Item, record_of, reference_key
from router_core.deployment import TENANT_INDEX
from router_core.errors import NotFoundError, StoreError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")
AT_ONCE: Final = 8
KEYS: Final = 100
"""What one batch of reads takes."""
TRIES: Final = 5
_WHAT: Final = "the decisions table"
Record = dict[str, Any]


class DynamoEvidence:
    """Reads the table that `DynamoDecisions` writes. `fetched` gives bodies from the archive. All calls block."""

    def __init__(
        self, client: DynamoDBClient, table: str, *, fetched: Callable[[str], bytes] | None = None
    ) -> None:
        self._client, self._table, self._fetched = client, table, fetched

    def decisions(self, tenant: str, since_s: float) -> Iterator[Record]:
        """The tenant's decisions from then on, newest first, page by page. Raises `StoreError`, where there is
        no such table `NotFoundError`."""
        query: dict[str, Any] = {
            "IndexName": TENANT_INDEX,
            "KeyConditionExpression": "tenant = :tenant AND #time >= :since",
            "ExpressionAttributeNames": {"#time": "time"},
            "ExpressionAttributeValues": {":tenant": {"S": tenant}, ":since": {"N": repr(float(since_s))}},
            "ScanIndexForward": False,
        }
        yield from self._records(self._pages(query))

    def with_all(self, decisions: Iterable[Record]) -> Iterator[Record]:
        """Each decision with its outcomes and judgements behind it, the snapshots and policies that it names in front. A
        snapshot may come several times, once per hundred decisions. Raises `StoreError`."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tierwise-evidence") as threads:
            for some in _batched(decisions):
                yield from self._references(some)
                came = threads.map(self._came, [one["request_id"] for one in some])
                for decision, records in zip(some, came, strict=True):
                    yield decision
                    yield from records

    def _came(self, request_id: str) -> list[Record]:
        query: dict[str, Any] = {
            "KeyConditionExpression": "request_id = :id AND #kind > :decision",
            "ExpressionAttributeNames": {"#kind": "kind"},
            "ExpressionAttributeValues": {":id": {"S": request_id}, ":decision": {"S": "decision"}},
        }
        return list(self._records(self._pages(query)))

    def _references(self, decisions: Collection[Mapping[str, Any]]) -> Iterator[Record]:
        """The snapshots and policies of these decisions; what is not kept any more is left out."""
        keys = {
            (kind, sha256)
            for one in decisions
            for kind in ("policy", "state")
            if isinstance(sha256 := one.get(f"{kind}_sha256"), str)
        }
        for some in _batched(sorted(keys)):
            wanted: list[Any] = [
                {"request_id": {"S": reference_key(kind, sha256)}, "kind": {"S": kind}}
                for kind, sha256 in some
            ]
            yield from self._records(self._batch(wanted))

    def _batch(self, wanted: list[Any]) -> Iterator[Item]:
        """What one answer left out (it may hold 16 MB) is asked for again, while there is progress."""
        idle = 0
        while wanted:
            with store_errors(_WHAT, FAULTS):
                answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": wanted}})
            found = answer["Responses"].get(self._table, [])
            yield from found
            left = answer.get("UnprocessedKeys", {})
            wanted = list(left[self._table]["Keys"]) if self._table in left else []
            idle = 0 if found else idle + 1
            if idle >= TRIES:
                raise StoreError(f"{_WHAT} is throttled")

    def _pages(self, query: dict[str, Any]) -> Iterator[Item]:
        while True:
            answer = self._page(query)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _page(self, query: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = self._client.query(TableName=self._table, **query)
        except Exception as error:
            if error_code(error) == "ResourceNotFoundException":
                raise NotFoundError(f"there is no table {self._table}") from None
            with store_errors(_WHAT, FAULTS):
                raise
        return answer

    def _records(self, items: Iterable[Item]) -> Iterator[Record]:
        """What can be read: a body that the archive does not give is left out, like one that is damaged."""
        for item in items:
            try:
                record = record_of(item, self._fetched)
            except StoreError:
                continue
            if record is not None:
                yield record


def _batched(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """As many at a time as one batch of reads takes."""
    left = iter(items)
    while some := tuple(islice(left, KEYS)):
        yield some
