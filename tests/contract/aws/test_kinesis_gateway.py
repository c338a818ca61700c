"""A real gateway with a stream and metrics: every record of its log is in the stream when it has stopped, and its own
figures are on standard output; what the consumer counts, the gateway does not."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from router_core.adapters.events.reader import read
from router_core.events import event_id
from tests.localmoto import Clients, environment, unique
from tests.running import RunningGateway, running_gateway

pytestmark = pytest.mark.server
ASKED = 40


def ask(gateway: RunningGateway, text: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - the gateway under test, on loopback
        f"{gateway.url}/inference",
        data=json.dumps({"input": text}).encode(),
        headers={**gateway.headers, "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the gateway under test, on loopback
        assert answer.status == 200


def documents(gateway: RunningGateway) -> list[dict[str, Any]]:
    lines = gateway.stdout.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"_aws"')]


def test_the_stream_holds_what_the_log_holds(aws: Clients, aws_endpoint: str, tmp_path: Path) -> None:
    stream, kinesis = unique("events"), aws("kinesis")
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    more = {
        **environment(aws_endpoint),
        "TIERWISE_EVENTS__KINESIS": stream,
        "TIERWISE_EVENTS__EMF": "true",
        "TIERWISE_ENV": "dev",
    }
    with running_gateway("--sandbox", folder=tmp_path, environment=more) as gateway:
        for n in range(ASKED):
            ask(gateway, f"set a timer for {n + 1} minutes")
    (shard,) = kinesis.list_shards(StreamName=stream)["Shards"]
    place = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found = [orjson.loads(row["Data"]) for row in kinesis.get_records(ShardIterator=place)["Records"]]
    kinesis.delete_stream(StreamName=stream)
    logged = {
        event_id(record): {"event_id": event_id(record), **record} for record in read(tmp_path / "var/events")
    }
    assert {record["event_id"]: record for record in found} == logged
    kinds = Counter(record["kind"] for record in found)
    assert (kinds["decision"], kinds["outcome"]) == (ASKED, ASKED)
    told = documents(gateway)
    assert told and all(
        set(one) <= {"_aws", "Env", "EventsDropped", "PolicyRefused", "DecisionMs"} for one in told
    )
    assert sum(one["EventsDropped"] for one in told) == 0.0


def test_without_a_stream_the_gateway_counts_for_itself(tmp_path: Path) -> None:
    more = {"TIERWISE_EVENTS__EMF": "true", "TIERWISE_ENV": "dev"}
    with running_gateway("--sandbox", folder=tmp_path, environment=more) as gateway:
        for n in range(ASKED):
            ask(gateway, f"set a timer for {n + 1} minutes")
    told = documents(gateway)
    assert sum(one.get("Requests", 0.0) for one in told if set(one) & {"Tier", "Target"} == set()) == ASKED
    assert sum(one.get("Requests", 0.0) for one in told if one.get("Target")) == ASKED
    assert {one.get("Tier") for one in told} >= {None, "device"}
