"""The event stream against the local AWS: everything emitted arrives, whole, in order while nothing fails, by its id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from router_core.adapters.aws.kinesis_event_sink import BATCH_RECORDS, KinesisEventSink
from router_core.events import event_id
from tests.localmoto import Clients, unique


@pytest.fixture
def stream(aws: Clients) -> Iterator[str]:
    name, kinesis = unique("events"), aws("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    yield name
    kinesis.delete_stream(StreamName=name)


def arrived(kinesis: Any, stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Partition key and content of every record, shard by shard."""
    found = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        place = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while rows := (answer := kinesis.get_records(ShardIterator=place))["Records"]:
            found += [(row["PartitionKey"], orjson.loads(row["Data"])) for row in rows]
            place = answer["NextShardIterator"]
    return found


def record(number: int) -> dict[str, Any]:
    kind = ("decision", "outcome")[number % 2]
    return {"kind": kind, "time": 1.8e9 + number, "request_id": f"req_{number // 2}", "x": [number / 3, "ü"]}


async def test_all_records_arrive_by_their_request_and_id(aws: Clients, stream: str) -> None:
    sink = KinesisEventSink(aws("kinesis"), stream)
    records = [record(n) for n in range(2 * BATCH_RECORDS + 37)]
    for one in records:
        sink.emit(one)
    await sink.close()
    found = arrived(aws("kinesis"), stream)
    by_id = {content["event_id"]: (key, content) for key, content in found}
    assert len(by_id) == len(found) == len(records)
    for one in records:
        assert by_id[event_id(one)] == (one["request_id"], {"event_id": event_id(one), **one})
    assert (sink.delivered, sink.dropped) == (len(records), 0)


async def test_records_of_one_request_arrive_in_order(aws: Clients, stream: str) -> None:
    sink = KinesisEventSink(aws("kinesis"), stream)
    for n in range(600):
        sink.emit({"kind": "quality", "source": "check", "time": 1.8e9 + n, "request_id": "req_same"})
    await sink.close()
    times = [content["time"] for _, content in arrived(aws("kinesis"), stream)]
    assert times == sorted(times) and len(times) == 600


async def test_a_stream_that_does_not_exist_drops_and_counts(aws: Clients) -> None:
    sink = KinesisEventSink(aws("kinesis"), unique("missing"))
    for n in range(3):
        sink.emit(record(n))
    await sink.close()
    assert (sink.delivered, sink.dropped) == (0, 3)
