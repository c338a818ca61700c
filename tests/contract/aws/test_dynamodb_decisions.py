"""Records reach the decisions table once, whole and to the bit, and nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import random
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from router_core.adapters.aws.s3_archive import S3Archive
from router_core.adapters.dynamodb.decisions import BATCH, DynamoDecisions
from router_core.adapters.dynamodb.lookup import DynamoLookup
from router_core.adapters.dynamodb.records import MAX_BODY_BYTES, item_of, record_of, sort_key
from router_core.errors import StoreError
from tests.contract.stores.kinds import SetClock
from tests.localmoto import Clients, bucket, client, decisions_table

NOW_S = 1_800_086_000.123457


def decision(request_id: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "decision",
        "schema": 1,
        "time": NOW_S,
        "request_id": request_id,
        "tenant": "acme",
        "class": "simple",
        "chosen": "mec/a",
        "tier": "mec",
        "scores": {"mec/a": 0.1 + 0.2, "cloud/b": 1 / 3},
        **more,
    }


def outcome(request_id: str, **more: Any) -> dict[str, Any]:
    return {"kind": "outcome", "time": NOW_S + 1, "request_id": request_id, "tenant": "acme", **more}


@pytest.fixture(scope="module")
def dynamodb(aws: Clients) -> Any:
    return aws("dynamodb")


@pytest.fixture
def table(dynamodb: Any) -> str:
    return decisions_table(dynamodb)


class Between:
    """The real client, with whatever a test puts between: `act` gets the number of the call and its requests."""

    def __init__(self, real: Any, act: Any) -> None:
        self._real, self._act, self.calls = real, act, 0

    def batch_write_item(self, RequestItems: Mapping[str, list[Any]]) -> Any:
        self.calls += 1
        (table, requests), *_ = RequestItems.items()
        kept = self._act(self.calls, list(requests))
        if kept:
            self._real.batch_write_item(RequestItems={table: kept})
        left = [request for request in requests if request not in kept]
        return {"UnprocessedItems": {table: left} if left else {}}


def stored(dynamodb: Any, table: str) -> list[dict[str, Any]]:
    pages: Iterator[Any] = dynamodb.get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


async def test_each_record_is_one_item_however_often_they_are_written(dynamodb: Any, table: str) -> None:
    sink = DynamoDecisions(dynamodb, table)
    for _ in range(3):
        sink.emit(decision("r1"))
        sink.emit(outcome("r1", status="completed"))
        sink.emit(outcome("r1", status="reported_by_device"))
        for source in ("judge", "feedback"):
            sink.emit(
                {"kind": "quality", "time": NOW_S + 2, "request_id": "r1", "source": source, "score": 0.7}
            )
        sink.emit({"kind": "state", "time": NOW_S, "sha256": "ab"})
        sink.emit({"kind": "policy", "time": NOW_S, "sha256": "cd", "document": {}})
        sink.emit({"kind": "nodes", "time": NOW_S})
        assert sink.flush(20)
    await sink.close()
    kinds = sorted(item["kind"]["S"] for item in stored(dynamodb, table))
    moment = f"{round((NOW_S + 2) * 1e6)}"
    assert kinds == [
        "decision",
        "outcome",
        "outcome#1",
        "policy",
        f"quality#feedback-{moment}",
        f"quality#judge-{moment}",
        "state",
    ]
    ends = {item["kind"]["S"]: item.get("expires", {"N": "0"})["N"] for item in stored(dynamodb, table)}
    assert int(ends["policy"]) == 0, "a process may decide by it for months"
    assert int(ends["state"]) - int(NOW_S) == 2 * (int(ends["decision"]) - int(NOW_S))
    assert sink.dropped == 0


async def test_an_outcome_never_overwrites_a_decision_and_a_devices_report_counts(
    dynamodb: Any, table: str
) -> None:
    sink, lookup = DynamoDecisions(dynamodb, table), DynamoLookup(dynamodb, table, clock=SetClock())
    sink.emit(outcome("r1", status="reported_by_device"))
    sink.emit(outcome("r1", status="execute_on_device", time=NOW_S))
    sink.emit(decision("r1"))
    await sink.close()
    assert await lookup.find("r1") == {
        "decision": decision("r1"),
        "outcome": outcome("r1", status="reported_by_device"),
    }
    assert await lookup.find("r2") is None
    await lookup.close()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_floats_read_back_to_the_same_bits(values: list[float]) -> None:
    record = decision("r", features=values)
    read = record_of(item_of(record, expires_s=1))
    assert read is not None
    assert [struct.pack("<d", x) for x in read["features"]] == [struct.pack("<d", x) for x in values]
    assert read == record


async def test_floats_survive_the_table_itself(dynamodb: Any, table: str) -> None:
    values = [5e-324, 1.7976931348623157e308, -0.0, 0.1 + 0.2, 1 / 3, 2.0**53 + 2]
    sink, lookup = DynamoDecisions(dynamodb, table), DynamoLookup(dynamodb, table, clock=SetClock())
    sink.emit(decision("bits", features=values))
    await sink.close()
    found = await lookup.find("bits")
    assert found is not None
    assert [struct.pack("<d", x) for x in found["decision"]["features"]] == [
        struct.pack("<d", x) for x in values
    ]
    await lookup.close()


async def test_unprocessed_items_are_written_again_until_all_are_in(dynamodb: Any, table: str) -> None:
    between = Between(dynamodb, lambda _, requests: requests[: len(requests) // 3 + 1])
    sink = DynamoDecisions(between, table)  # type: ignore[arg-type]  # the one call the sink makes
    for n in range(120):
        sink.emit(decision(f"r{n}"))
    await sink.close()
    assert {item["request_id"]["S"] for item in stored(dynamodb, table)} == {f"r{n}" for n in range(120)}
    assert between.calls > 120 // BATCH
    assert sink.dropped == 0


async def test_an_outage_delays_and_loses_nothing(dynamodb: Any, table: str) -> None:
    def down_at_first(call: int, requests: list[Any]) -> list[Any]:
        if call == 1:
            raise EndpointConnectionError(endpoint_url="http://nowhere")
        if call == 2:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "BatchWriteItem")
        if call == 3:
            raise RuntimeError("whatever else")
        return requests

    sink = DynamoDecisions(Between(dynamodb, down_at_first), table)  # type: ignore[arg-type]  # the one call the sink makes
    for n in range(40):
        sink.emit(decision(f"r{n}"))
    assert await asyncio.to_thread(sink.flush, 20)
    assert len(stored(dynamodb, table)) == 40
    assert sink.dropped == 0
    await sink.close()


async def test_a_record_that_is_refused_for_good_is_dropped_alone(dynamodb: Any, table: str) -> None:
    def no_poison(_: int, requests: list[Any]) -> list[Any]:
        if any(request["PutRequest"]["Item"]["request_id"]["S"] == "poison" for request in requests):
            raise ClientError({"Error": {"Code": "ValidationException"}}, "BatchWriteItem")
        return requests

    sink = DynamoDecisions(Between(dynamodb, no_poison), table)  # type: ignore[arg-type]  # the one call the sink makes
    for name in ("a", "poison", "b"):
        sink.emit(decision(name))
    await sink.close()
    assert sorted(item["request_id"]["S"] for item in stored(dynamodb, table)) == ["a", "b"]
    assert sink.dropped == 1


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "outcome", "time": 1.0},
        {"kind": "outcome", "time": 1.0, "request_id": ""},
        {"kind": "outcome", "time": 1.0, "request_id": "r", "x": object()},
        {"kind": "outcome", "time": "soon", "request_id": "r"},
        {"kind": "outcome", "time": float("inf"), "request_id": "r"},
        {"kind": "outcome", "time": 1.0, "request_id": "\ud800"},
        {"kind": "quality", "time": 1.0, "request_id": "r", "source": "s" * 2_000},
    ],
)
async def test_what_has_no_place_is_counted_and_no_error(
    dynamodb: Any, table: str, record: dict[str, Any]
) -> None:
    sink = DynamoDecisions(dynamodb, table)
    sink.emit(record)
    sink.emit(decision("good"))
    await sink.close()
    sink.emit(decision("late"))
    await sink.close()
    assert sink.flush(60)
    assert [item["request_id"]["S"] for item in stored(dynamodb, table)] == ["good"]
    assert sink.dropped == 2


async def test_a_full_queue_drops_the_newest_and_emit_never_waits(dynamodb: Any, table: str) -> None:
    gate = threading.Event()

    def held(_: int, requests: list[Any]) -> list[Any]:
        gate.wait(20)
        return requests

    sink = DynamoDecisions(Between(dynamodb, held), table, queue_size=30)  # type: ignore[arg-type]  # the one call the sink makes
    for n in range(1_000):
        sink.emit(decision(f"r{n:04}"))
    accepted = 1_000 - sink.dropped
    assert 30 <= accepted <= 30 + 2 * BATCH
    gate.set()
    await sink.close()
    assert len(stored(dynamodb, table)) == accepted


async def test_close_gives_up_in_the_end_and_counts(dynamodb: Any) -> None:
    def down(_: int, __: list[Any]) -> list[Any]:
        raise EndpointConnectionError(endpoint_url="http://nowhere")

    sink = DynamoDecisions(Between(dynamodb, down), "t", drain_s=0.3)  # type: ignore[arg-type]  # the one call the sink makes
    for n in range(60):
        sink.emit(decision(f"r{n}"))
    await sink.close()
    assert sink.dropped == 60


async def test_a_record_too_large_for_an_item_goes_to_the_archive_and_comes_back(
    aws: Clients, dynamodb: Any, table: str
) -> None:
    s3 = aws("s3")
    archive = S3Archive(s3, bucket(s3, "archive"))
    sink = DynamoDecisions(dynamodb, table, archived=archive.put)
    noise = random.Random(3)
    large = decision("large", scores={f"t{n}": noise.random() for n in range(60_000)})
    sink.emit(large)
    await sink.close()
    (item,) = stored(dynamodb, table)
    assert "record" not in item
    lookup = DynamoLookup(dynamodb, table, fetched=archive.get, clock=SetClock())
    found = await lookup.find("large")
    assert found is not None
    assert found["decision"] == large
    await lookup.close()


def test_without_an_archive_the_largest_parts_are_left_out_and_named() -> None:
    noise = random.Random(3)
    large = decision("large", scores={f"t{n}": noise.random() for n in range(60_000)}, rejected={"x": "y"})
    item = item_of(large, expires_s=1)
    assert len(item["record"]["B"]) <= MAX_BODY_BYTES
    kept = {name: value for name, value in large.items() if name != "scores"}
    assert record_of(item) == {**kept, "trimmed": ["scores"]}

    def unreachable(_: bytes) -> str:
        raise StoreError("down")

    assert item_of(large, expires_s=1, archived=unreachable) == item


def test_what_cannot_be_read_is_no_record() -> None:
    whole = item_of(decision("r", features=[0.5] * 1_000), expires_s=1)
    cut = {**whole, "record": {"B": whole["record"]["B"][:-9]}}
    wrong = {**whole, "encoding": {"S": "json"}}
    assert [record_of(item) for item in (cut, wrong, {}, {"archived": {"S": "k"}})] == [None] * 4
    assert sort_key(decision("a:decision:b")) == "decision"


async def test_the_newest_of_a_tenant_come_first_and_are_narrowed(dynamodb: Any, table: str) -> None:
    sink = DynamoDecisions(dynamodb, table, keep_days=1)
    for n in range(300):
        tier, chosen = ("mec", "mec/a") if n % 3 else ("cloud", "cloud/b")
        sink.emit(decision(f"r{n:03}", time=NOW_S + n / 8, tier=tier, chosen=chosen, tenant=f"t{n % 2}"))
        sink.emit(outcome(f"r{n:03}", tenant=f"t{n % 2}", time=NOW_S + n / 8))
    await sink.close()
    clock = SetClock(NOW_S - 1.8e9)
    lookup = DynamoLookup(dynamodb, table, clock=clock)

    async def ids(tenant: str, limit: int, **where: str) -> list[str]:
        return [record["request_id"] for record in await lookup.recent(tenant, limit, where)]

    assert await ids("t0", 3) == ["r298", "r296", "r294"]
    assert await ids("t1", 500) == [f"r{n:03}" for n in range(299, 0, -2)]
    assert await ids("t0", 2, chosen="cloud/b", tier="cloud") == ["r294", "r288"]
    assert await ids("t0", 500, **{"class": "batch"}) == []
    assert await ids("nobody", 5) == []
    with pytest.raises(ValueError, match="not narrowed by"):
        await ids("t0", 5, secret="x")
    # Past its time, though DynamoDB has not deleted it: a record's end counts from its own time.
    await clock.advance(86_400 + 20)
    assert await ids("t0", 2) == ["r298", "r296"]
    assert await lookup.find("r000") is None
    await clock.advance(20)
    assert await ids("t0", 2) == []
    await lookup.close()


async def test_a_table_that_is_not_there_or_not_reached_is_a_store_error(
    aws_endpoint: str, dynamodb: Any
) -> None:
    lookup = DynamoLookup(dynamodb, "absent-table", clock=SetClock())
    with pytest.raises(StoreError, match="does not exist"):
        await lookup.find("r")
    await lookup.close()
    nowhere = client("http://127.0.0.1:9", "dynamodb")
    lookup = DynamoLookup(nowhere, "t", clock=SetClock())
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        await lookup.recent("t", 1, {})
    assert "127.0.0.1" not in str(caught.value)
    await lookup.close()
    nowhere.close()
