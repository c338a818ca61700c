"""Small shared state in DynamoDB: versions by conditional writes, and time to live that holds to the millisecond.

Decides that an entry past its time is not there, although DynamoDB deletes it up to days later: reads pass it over and
a write starts again at version 1. Entries lie under `state#`, so that they never meet the ledger's in the same table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import AwsThreads, store_errors
from router_core.adapters.dynamodb.faults import FAULTS
from router_core.adapters.system_clock import SystemClock
from router_core.errors import StaleStateError, StoreError
from router_core.ports import Clock, Versioned

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PREFIX: Final = "state#"
MAX_KEY_BYTES: Final = 2_000
MAX_VALUE_BYTES: Final = 399_000
"""DynamoDB takes 400 kB per item, names of attributes included."""
_CLOCK: Final = SystemClock()
_NAMES: Final = {"#key": "key", "#until": "until_ms"}
_GONE: Final = "attribute_not_exists(#key) OR #until <= :now"
_THERE: Final = "attribute_exists(#key) AND (attribute_not_exists(#until) OR #until > :now)"
_TRIES: Final = 3
"""How often a write without a condition begins anew because the entry came or went between its two steps."""


class DynamoStateStore:
    """StateStore on a table with the string key `key`. `expires` (whole seconds) is for DynamoDB's own deletion,
    `until_ms` for reading; the clock is this machine's."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        clock: Clock = _CLOCK,
        threads: AwsThreads | None = None,
    ) -> None:
        self._client, self._table, self._clock = client, table, clock
        self._threads = threads or AwsThreads()

    async def get(self, key: str) -> Versioned | None:
        """What is there now, by a consistent read."""
        return await self._threads.run(self._get, key)

    async def put(
        self, key: str, value: bytes, *, expected: int | None = None, ttl_s: float | None = None
    ) -> int:
        """The new version. Without `ttl_s` the entry stays for good, also where an older one had an end."""
        return await self._threads.run(self._put, key, value, expected, ttl_s)

    async def delete(self, key: str) -> None:
        """Forget the entry, if there is one."""
        await self._threads.run(self._delete, key)

    async def close(self) -> None:
        """Wait for the calls that run."""
        await self._threads.close()

    def _get(self, key: str) -> Versioned | None:
        with store_errors("the state table", FAULTS):
            item = self._client.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True).get(
                "Item"
            )
        if item is None or ("until_ms" in item and int(item["until_ms"]["N"]) <= self._now_ms()):
            return None
        return Versioned(value=bytes(item["value"]["B"]), version=int(item["version"]["N"]))

    def _put(self, key: str, value: bytes, expected: int | None, ttl_s: float | None) -> int:
        if len(value) > MAX_VALUE_BYTES:
            raise StoreError(f"a state value may have {MAX_VALUE_BYTES} bytes at most")
        if expected is not None:
            return (
                self._create(key, value, ttl_s) if expected == 0 else self._grow(key, value, expected, ttl_s)
            )
        for _ in range(_TRIES):
            try:
                return self._grow(key, value, None, ttl_s)
            except StaleStateError:  # nothing is there, or nothing any more
                pass
            try:
                return self._create(key, value, ttl_s)
            except StaleStateError:  # somebody else was faster
                pass
        raise StoreError("the state table: the entry changes too fast to be written")

    def _create(self, key: str, value: bytes, ttl_s: float | None) -> int:
        item = {**_key(key), "value": {"B": value}, "version": {"N": "1"}, **self._end(ttl_s)}
        with store_errors("the state table", FAULTS):
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=_GONE,
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues={":now": {"N": str(self._now_ms())}},
            )
        return 1

    def _grow(self, key: str, value: bytes, expected: int | None, ttl_s: float | None) -> int:
        """One version more of an entry that is there; raises `StaleStateError` when it is not or differs."""
        end = self._end(ttl_s)
        change = "SET #value = :value, #version = #version + :one"
        values: dict[str, Any] = {":value": {"B": value}, ":one": {"N": "1"}}
        if end:
            change += ", #expires = :expires, #until = :until"
            values |= {":expires": end["expires"], ":until": end["until_ms"]}
        else:
            change += " REMOVE #expires, #until"
        condition = _THERE
        if expected is not None:
            condition += " AND #version = :expected"
            values[":expected"] = {"N": str(expected)}
        with store_errors("the state table", FAULTS):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(key),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeNames={
                    **_NAMES,
                    "#value": "value",
                    "#version": "version",
                    "#expires": "expires",
                },
                ExpressionAttributeValues={**values, ":now": {"N": str(self._now_ms())}},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["version"]["N"])

    def _delete(self, key: str) -> None:
        with store_errors("the state table", FAULTS):
            self._client.delete_item(TableName=self._table, Key=_key(key))

    def _now_ms(self) -> int:
        return int(self._clock.now_s() * 1_000)

    def _end(self, ttl_s: float | None) -> dict[str, Any]:
        if ttl_s is None:
            return {}
        until_ms = self._now_ms() + math.ceil(ttl_s * 1_000)
        return {"until_ms": {"N": str(until_ms)}, "expires": {"N": str(math.ceil(until_ms / 1_000))}}


def _key(key: str) -> dict[str, Any]:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise StoreError(f"a state key may have {MAX_KEY_BYTES} bytes at most")
    return {"key": {"S": PREFIX + key}}
