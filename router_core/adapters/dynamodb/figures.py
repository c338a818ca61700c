"""Figures of the event stream in DynamoDB, counted exactly once however often an event comes.

Decides that counting and remembering are one transaction: each event leaves a mark that may not be there yet, beside the
sums it is added to and the estimates it changes. A crash between the two can't happen; a repeated event finds its mark.
Marks are forgotten after `MARK_S`, longer than the stream keeps anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import Faults, store_errors
from router_core.adapters.dynamodb.faults import FAULTS as TABLE_FAULTS
from router_core.adapters.dynamodb.state import PREFIX
from router_core.adapters.system_clock import SystemClock
from router_core.errors import StaleStateError, StoreError
from router_core.learning.event_figures import Beside, MinuteFigures, Minutes
from router_core.ports import Clock, Versioned

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ITEMS: Final = 100
"""What one transaction or one batch of reads takes."""
MARK_S: Final = 8 * 86_400
MINUTE_KEPT_S: Final = 30 * 86_400
MARK: Final = "event#"
OPERATIONS: Final = ("BatchGetItem", "DeleteItem", "PutItem", "Query", "TransactWriteItems")
FAULTS: Final[Faults] = {
    **TABLE_FAULTS,
    "IdempotentParameterMismatchException": (StoreError, "does not accept such a request"),
    "TransactionCanceledException": (StaleStateError, "is being written by another"),
    "TransactionInProgressException": (StaleStateError, "is being written by another"),
}
_CLOCK: Final = SystemClock()
_NOTHING: Final = Beside()


class DynamoFigures:
    """Marks, alerts and estimates in the table `state` (estimates as `DynamoStateStore` reads them), minutes in
    `metrics` by `target` and `time`. Blocking: for a function that handles one batch at a time."""

    def __init__(
        self, client: DynamoDBClient, *, state_table: str, metrics_table: str, clock: Clock = _CLOCK
    ) -> None:
        self._client, self._clock = client, clock
        self._state, self._metrics = state_table, metrics_table

    def states(self, keys: Collection[str]) -> dict[str, Versioned]:
        """The stored values of at most `ITEMS` keys of the state store. Raises `StoreError`."""
        now_ms = self._clock.now_s() * 1_000
        return {
            key: Versioned(value=bytes(item["value"]["B"]), version=int(item["version"]["N"]))
            for key, item in self._items(PREFIX, keys).items()
            if "until_ms" not in item or int(item["until_ms"]["N"]) > now_ms
        }

    def notes(self, ids: Collection[str]) -> dict[str, str]:
        """What was noted on the marks of at most `ITEMS` events. Raises `StoreError`."""
        return {name: item["note"]["S"] for name, item in self._items(MARK, ids).items() if "note" in item}

    def commit(
        self,
        ids: Sequence[str],
        minutes: Minutes,
        states: Mapping[str, tuple[bytes, int]],
        beside: Beside = _NOTHING,
    ) -> frozenset[str]:
        """Write marks of `ids`, add `minutes`, and put `states` (value, expected version; 0: none), all or nothing.

        Returns the ids that were counted before; if there are any, nothing was written. Raises `StaleStateError`
        when another writer was in between (nothing was written; read again), `StoreError` for any other trouble.
        """
        items: list[Any] = [self._marked(name, beside.notes.get(name)) for name in ids]
        items += [self._added(subject, minute_s, figures) for (subject, minute_s), figures in minutes.items()]
        items += [self._grown(key, *change, beside.ends_s.get(key)) for key, change in states.items()]
        with store_errors("the metrics table", FAULTS):
            try:
                self._client.transact_write_items(TransactItems=items)
            except self._client.exceptions.TransactionCanceledException as error:
                seen = _counted_before(error.response, ids)
                if not seen:
                    raise
                return seen
        return frozenset()

    def minutes(self, subject: str, since_s: int, until_s: int) -> dict[int, MinuteFigures]:
        """The subject's minutes that begin in [since_s, until_s]. Raises `StoreError`."""
        with store_errors("the metrics table", FAULTS):
            answer = self._client.query(
                TableName=self._metrics,
                KeyConditionExpression="#target = :target AND #time BETWEEN :since AND :until",
                ExpressionAttributeNames={"#target": "target", "#time": "time"},
                ExpressionAttributeValues={
                    ":target": {"S": subject},
                    ":since": {"N": str(since_s)},
                    ":until": {"N": str(until_s)},
                },
                ConsistentRead=True,
            )
        return {int(item["time"]["N"]): _figures(item) for item in answer["Items"]}

    def claim(self, key: str, ttl_s: float) -> bool:
        """Whether nobody has claimed `key` yet; it is claimed now. Raises `StoreError`."""
        item: Any = {"key": {"S": key}, "expires": self._in(ttl_s)}
        try:
            with store_errors("the state table", FAULTS):
                self._client.put_item(
                    TableName=self._state,
                    Item=item,
                    ConditionExpression="attribute_not_exists(#key)",
                    ExpressionAttributeNames={"#key": "key"},
                )
        except StaleStateError:
            return False
        return True

    def release(self, key: str) -> None:
        """Give a claim back. Raises `StoreError`."""
        with store_errors("the state table", FAULTS):
            self._client.delete_item(TableName=self._state, Key={"key": {"S": key}})

    def _in(self, seconds: float) -> dict[str, str]:
        return {"N": str(int(self._clock.now_s() + seconds))}

    def _items(self, prefix: str, keys: Collection[str]) -> dict[str, Mapping[str, Any]]:
        if not keys:
            return {}
        wanted: list[Any] = [{"key": {"S": prefix + key}} for key in keys]
        with store_errors("the state table", FAULTS):
            answer = self._client.batch_get_item(
                RequestItems={self._state: {"Keys": wanted, "ConsistentRead": True}}
            )
        if answer.get("UnprocessedKeys"):
            raise StoreError("the state table is throttled")
        return {
            item["key"]["S"].removeprefix(prefix): item for item in answer["Responses"].get(self._state, [])
        }

    def _marked(self, name: str, note: str | None) -> dict[str, Any]:
        noted = {} if note is None else {"note": {"S": note}}
        return {
            "Put": {
                "TableName": self._state,
                "Item": {"key": {"S": MARK + name}, "expires": self._in(MARK_S), **noted},
                "ConditionExpression": "attribute_not_exists(#key)",
                "ExpressionAttributeNames": {"#key": "key"},
            }
        }

    def _added(self, subject: str, minute_s: int, figures: MinuteFigures) -> dict[str, Any]:
        increments = sorted(figures.increments().items())
        names = {f"#{i}": name for i, (name, _) in enumerate(increments)}
        values = {f":{i}": {"N": str(value)} for i, (_, value) in enumerate(increments)}
        adding = " ADD " + ", ".join(f"#{i} :{i}" for i in range(len(increments))) if increments else ""
        return {
            "Update": {
                "TableName": self._metrics,
                "Key": {"target": {"S": subject}, "time": {"N": str(minute_s)}},
                "UpdateExpression": f"SET #e = :e{adding}",
                "ExpressionAttributeNames": {**names, "#e": "expires"},
                "ExpressionAttributeValues": {**values, ":e": {"N": str(minute_s + MINUTE_KEPT_S)}},
            }
        }

    def _grown(self, key: str, value: bytes, expected: int, ttl_s: float | None) -> dict[str, Any]:
        now_ms = int(self._clock.now_s() * 1_000)
        until = (
            {} if ttl_s is None else {"expires": self._in(ttl_s), "until_ms": _int(now_ms + ttl_s * 1_000)}
        )
        if expected:
            condition, names, values = "#version = :expected", {}, {":expected": _int(expected)}
        else:  # what is past its end may still be there: DynamoDB deletes it later
            condition = "attribute_not_exists(#version) OR #until <= :now"
            names, values = {"#until": "until_ms"}, {":now": _int(now_ms)}
        item = {"key": {"S": PREFIX + key}, "value": {"B": value}, "version": _int(expected + 1), **until}
        return {
            "Put": {
                "TableName": self._state,
                "Item": item,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": {"#version": "version", **names},
                "ExpressionAttributeValues": values,
            }
        }


def _int(value: float) -> dict[str, str]:
    return {"N": str(int(value))}


def _counted_before(response: Mapping[str, Any], ids: Sequence[str]) -> frozenset[str]:
    """The marks that were there already; reasons come in the order of the items, of which marks are the first."""
    reasons: Iterable[Any] = response.get("CancellationReasons", ())
    codes = [str(reason.get("Code")) for reason in reasons]
    return frozenset(name for name, code in zip(ids, codes, strict=False) if code == "ConditionalCheckFailed")


def _figures(item: Mapping[str, Any]) -> MinuteFigures:
    numbers = {name: int(value["N"]) for name, value in item.items() if "." in name and "N" in value}
    return MinuteFigures.of(numbers)
