"""Under every fault of Kinesis, each accepted record is delivered or counted as dropped, and closing is bounded."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from typing import Any

import botocore.exceptions
import pytest

from router_core.adapters.aws.kinesis_event_sink import (
    BATCH_RECORDS,
    GIVEN_UP,
    RECORD_BYTES,
    RETRIED,
    TRIES,
    KinesisEventSink,
)
from tests.contract.aws.kinesis_faults import PUT, FaultyKinesis, refused


def record(number: int, **more: Any) -> dict[str, Any]:
    return {"kind": "outcome", "time": 1.8e9, "request_id": f"req_{number}", **more}


def at_once() -> float:
    return 0.0


def sink_of(client: FaultyKinesis, **more: Any) -> KinesisEventSink:
    return KinesisEventSink(client, "events", chance=at_once, **more)


def names(client: FaultyKinesis) -> list[str]:
    return [content["request_id"] for content in client.accepted]


async def test_what_is_emitted_leaves_by_itself() -> None:
    client = FaultyKinesis()
    sink = sink_of(client)
    for n in range(2):
        client.called.clear()
        sink.emit(record(n))
        assert client.called.wait(10.0)
    await sink.close()
    assert names(client) == ["req_0", "req_1"]


async def test_only_the_records_that_failed_are_sent_again() -> None:
    client = FaultyKinesis(script=[lambda rows: {1, 3}])
    sink = sink_of(client)
    for n in range(5):
        sink.emit(record(n))
    await sink.close()
    assert sorted(names(client)) == [f"req_{n}" for n in range(5)]
    assert sum(client.calls) == 7
    assert (sink.delivered, sink.dropped) == (5, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_random_partial_failures_lose_and_repeat_nothing(seed: int) -> None:
    chance = random.Random(seed)

    def some(rows: Sequence[dict[str, Any]]) -> set[int] | Exception:
        if chance.random() < 0.2:
            return refused("InternalFailureException")
        return {i for i in range(len(rows)) if chance.random() < 0.3}

    client = FaultyKinesis(always=some)
    sink = sink_of(client)
    for n in range(1_700):
        sink.emit(record(n))
    await sink.close()
    assert sorted(names(client)) == sorted(f"req_{n}" for n in range(1_700))
    assert (sink.delivered, sink.dropped) == (1_700, 0)


async def test_a_record_that_never_gets_through_is_dropped_after_its_tries_and_holds_up_no_other() -> None:
    def poisoned(rows: Sequence[dict[str, Any]]) -> set[int]:
        return {i for i, row in enumerate(rows) if row["PartitionKey"] == "req_7"}

    client = FaultyKinesis(always=poisoned)
    sink = sink_of(client)
    for n in range(20):
        sink.emit(record(n))
    await sink.close()
    assert sorted(names(client)) == sorted(f"req_{n}" for n in range(20) if n != 7)
    assert (sink.delivered, sink.dropped) == (19, 1)
    assert sum(client.calls) == 19 + TRIES


@pytest.mark.parametrize(
    "error",
    [
        botocore.exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
        botocore.exceptions.ReadTimeoutError(endpoint_url="http://127.0.0.1:1"),
        refused("ExpiredTokenException"),
        refused("ANewOne"),
    ],
    ids=["unreachable", "too slow", "expired", "unheard of"],
)
async def test_a_call_that_fails_as_a_whole_is_made_again(error: Exception) -> None:
    client = FaultyKinesis(script=[lambda rows: error, lambda rows: error])
    sink = sink_of(client)
    sink.emit(record(1))
    await sink.close()
    assert (names(client), sink.dropped) == (["req_1"], 0)


@pytest.mark.parametrize("code", sorted(GIVEN_UP))
async def test_a_refusal_for_good_is_not_met_twice(code: str) -> None:
    client = FaultyKinesis(always=lambda rows: refused(code))
    sink = sink_of(client)
    sink.emit(record(1))
    await sink.close()
    assert (len(client.calls), sink.dropped) == (1, 1)


def test_every_error_that_kinesis_lists_is_sorted() -> None:
    listed = {shape.name for shape in PUT.error_shapes}
    assert listed and listed <= GIVEN_UP | RETRIED
    assert not GIVEN_UP & RETRIED


async def test_batches_keep_to_kinesis_sizes() -> None:
    """The stand-in asserts the limits of each call; here they are all pressed against."""
    client = FaultyKinesis()
    sink = sink_of(client)
    large = "x" * (RECORD_BYTES - 200)
    for n in range(12):
        sink.emit(record(n, text=large))
    for n in range(12, 12 + 2 * BATCH_RECORDS):
        sink.emit(record(n))
    sink.emit(record(-1, text=large + "x" * 200))
    await sink.close()
    assert (sink.delivered, sink.dropped) == (12 + 2 * BATCH_RECORDS, 1)


async def test_a_full_queue_drops_the_newest_and_counts_it() -> None:
    client = FaultyKinesis(gate=threading.Event())
    assert client.gate is not None
    sink = sink_of(client, queue_size=100)
    sink.emit(record(0))
    assert client.called.wait(10.0)
    for n in range(1, 151):
        sink.emit(record(n))
    client.gate.set()
    await sink.close()
    assert names(client) == [f"req_{n}" for n in range(101)]
    assert (sink.delivered, sink.dropped) == (101, 50)


async def test_closing_gives_up_in_bounded_time_and_counts_the_rest() -> None:
    client = FaultyKinesis(always=lambda rows: set(range(len(rows))))
    sink = KinesisEventSink(client, "events", drain_s=0.5, chance=lambda: 1.0)
    for n in range(700):
        sink.emit(record(n))
    started = time.monotonic()
    await sink.close()
    assert time.monotonic() - started < 5.0
    assert (sink.delivered, sink.dropped) == (0, 700)


async def test_a_client_that_hangs_keeps_nobody_from_closing() -> None:
    client = FaultyKinesis(gate=threading.Event())
    assert client.gate is not None
    sink = sink_of(client, drain_s=0.3)
    sink.emit(record(1))
    assert client.called.wait(10.0)
    await sink.close()
    assert (sink.delivered, sink.dropped) == (0, 1)
    client.gate.set()


async def test_a_record_without_json_form_is_dropped_alone() -> None:
    client = FaultyKinesis()
    sink = sink_of(client)
    sink.emit(record(1, x=object()))
    sink.emit(record(2, time="never", kind="quality"))
    sink.emit(record(3))
    await sink.close()
    sink.emit(record(4))
    assert (names(client), sink.delivered, sink.dropped) == (["req_3"], 1, 3)


async def test_flushing_waits_until_all_is_delivered_or_given_up() -> None:
    client = FaultyKinesis(script=[lambda rows: {0}])
    sink = sink_of(client)
    for n in range(3):
        sink.emit(record(n))
    assert await asyncio.to_thread(sink.flush, 10.0)
    assert (sink.delivered, sorted(names(client))) == (3, ["req_0", "req_1", "req_2"])
    await sink.close()


async def test_flushing_ends_in_time_when_nothing_gets_through() -> None:
    client = FaultyKinesis(always=lambda rows: set(range(len(rows))))
    sink = KinesisEventSink(client, "events", drain_s=0.1, chance=lambda: 1.0)
    sink.emit(record(1))
    assert not await asyncio.to_thread(sink.flush, 0.2)
    await sink.close()
    assert sink.dropped == 1
