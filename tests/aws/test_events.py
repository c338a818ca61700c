"""The event stream of the deployment: every event counted once however often it arrives, and nothing lost that fails."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from router_core.adapters.dynamodb.figures import DynamoFigures
from router_core.deployment import NAMESPACE, STREAM, resource_name
from router_core.events import event_id
from router_core.inference import TIERS
from router_core.learning.event_figures import tier_subject
from tests.aws.conftest import Client, admitted, until
from tests.localaws.site import Site

POISON = (b"not json at all", b'{"kind":"outcome","time":"yesterday"}', b"[]", b'{"time": 1}')
NAME = resource_name("dev", STREAM)


def records(site: Site) -> list[dict[str, Any]]:
    """Everything that was ever written to the stream, duplicates and poison included."""
    kinesis, found = site.client("kinesis"), []
    for shard in kinesis.list_shards(StreamName=NAME)["Shards"]:
        place = kinesis.get_shard_iterator(
            StreamName=NAME, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while rows := (page := kinesis.get_records(ShardIterator=place, Limit=1_000))["Records"]:
            found += [{**row, "shard": shard["ShardId"]} for row in rows]
            place = page["NextShardIterator"]
    return found


def requests_in(rows: list[dict[str, Any]]) -> set[str]:
    """Names of distinct outcomes: what counts as a request."""
    names = set()
    for row in rows:
        try:
            record = json.loads(row["Data"])
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("kind") == "outcome" and "request_id" in record:
            names.add(str(record.get("event_id") or event_id(record)))
    return names


def counted(site: Site) -> int:
    """Requests as the analytics function counted them, of all tiers."""
    figures = DynamoFigures(
        site.client("dynamodb"),
        state_table=resource_name("dev", "state"),
        metrics_table=resource_name("dev", "metrics"),
    )
    return round(
        sum(
            minute.total("Requests")
            for tier in TIERS
            for minute in figures.minutes(tier_subject(tier), 0, 2**31).values()
        )
    )


def put(site: Site, *data: bytes) -> None:
    """Write records, each with a partition key of its own."""
    rows = [{"Data": one, "PartitionKey": uuid.uuid4().hex} for one in data]
    answer = site.client("kinesis").put_records(StreamName=NAME, Records=rows)
    assert answer["FailedRecordCount"] == 0


class DeadLetters:
    """What the dead-letter queue has received so far; taken out, so that nothing is seen twice."""

    def __init__(self, site: Site) -> None:
        self._sqs = site.client("sqs")
        self._url = self._sqs.get_queue_url(QueueName=resource_name("dev", "events-dlq"))["QueueUrl"]
        self._places: list[dict[str, Any]] = []

    def places(self) -> list[dict[str, Any]]:
        """Where in the stream the records are that were given up."""
        while got := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for one in got:
                self._places.append(json.loads(one["Body"])["KinesisBatchInfo"])
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=one["ReceiptHandle"])
        return self._places


@pytest.fixture(scope="module")
def dead_letters(site: Site) -> DeadLetters:
    return DeadLetters(site)


def test_events_are_counted_once_though_they_arrive_twice_and_poison_is_kept(
    site: Site, phone: Client, dead_letters: DeadLetters, at_size: Callable[[int, int], int]
) -> None:
    before = len(requests_in(records(site)))
    wanted = at_size(12, 300)
    for number in range(wanted):
        assert admitted(partial(phone.infer, f"set a timer for {number + 1} minutes")).status == 200
    sent = until(lambda: records(site), lambda rows: len(requests_in(rows)) == before + wanted)
    outcomes = [row["Data"] for row in sent if b'"outcome"' in row["Data"]][-wanted:]
    for start in range(0, len(outcomes), 100):
        put(site, *outcomes[start : start + 100], *POISON, *outcomes[start : start + 50])

    assert phone.infer("set an alarm for 7 am").status == 200
    everything = records(site)
    expected = len(requests_in(everything))
    assert expected == before + wanted + 1
    until(lambda: counted(site), lambda total: total >= expected)
    lost = [row for row in everything if row["Data"] in POISON]
    kept = until(dead_letters.places, lambda places: len(places) >= len(lost))
    assert counted(site) == expected
    assert {(one["shardId"], one["startSequenceNumber"]) for one in kept} == {
        (row["shard"], row["SequenceNumber"]) for row in lost
    }
    assert all(one["startSequenceNumber"] == one["endSequenceNumber"] for one in kept), (
        "the good ones went on"
    )


def test_what_was_given_up_can_be_read_back_from_its_place(site: Site, dead_letters: DeadLetters) -> None:
    put(site, b"poison to read back")
    found = until(
        lambda: [one for one in dead_letters.places() if _at(site, one) == b"poison to read back"], bool
    )
    assert [one["batchSize"] for one in found] == [1]


def _at(site: Site, place: dict[str, Any]) -> bytes:
    kinesis = site.client("kinesis")
    iterator = kinesis.get_shard_iterator(
        StreamName=NAME,
        ShardId=place["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=place["startSequenceNumber"],
    )["ShardIterator"]
    return bytes(kinesis.get_records(ShardIterator=iterator, Limit=1)["Records"][0]["Data"])


def test_the_functions_metrics_reach_cloudwatch(site: Site, phone: Client) -> None:
    phone.infer("set a timer for 3 minutes")
    metrics = until(
        lambda: site.client("cloudwatch").list_metrics(Namespace=NAMESPACE, MetricName="Requests")["Metrics"],
        bool,
    )
    dimensions = {tuple(sorted(one["Name"] for one in metric["Dimensions"])) for metric in metrics}
    assert {("Env",), ("Env", "Tier"), ("Env", "Target", "Tier")} <= dimensions
