"""From the sink through a real stream to tables, metrics and alerts: counted exactly once, whoever crashes in between."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions
import botocore.session
import pytest

from gateway.hosts import analytics
from gateway.hosts.analytics import Analytics
from router_core.adapters.aws.eventbridge import EventBridgeAlerts
from router_core.adapters.aws.kinesis_event_sink import KinesisEventSink
from router_core.adapters.dynamodb.figures import FAULTS, OPERATIONS, DynamoFigures
from router_core.adapters.dynamodb.state import DynamoStateStore
from router_core.deployment import EVENT_BUS, policy_parameter, resource_name, rollout_parameter
from router_core.errors import StaleStateError, StoreError
from router_core.learning.event_figures import Measured, fold, measure, tier_subject
from router_core.learning.shared_estimates import load
from router_core.policy.parse import parse
from tests.fakes import FakeClock
from tests.localmoto import Clients, environment, state_table, unique
from tests.unit.hosts.stream import NOON, decision, delivered, failure, failures, outcome
from tests.unit.policy.parameters import document

EDGE, NOVA = "mec/edge-a", "cloud/nova"
METRICS_KEYS: dict[str, Any] = {
    "KeySchema": [
        {"AttributeName": "target", "KeyType": "HASH"},
        {"AttributeName": "time", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "target", "AttributeType": "S"},
        {"AttributeName": "time", "AttributeType": "N"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


def metrics_table(dynamodb: Any, name: str | None = None) -> str:
    name = name or unique("metrics")
    dynamodb.create_table(TableName=name, **METRICS_KEYS)
    return name


@dataclass
class Serial:
    """A DynamoDB client whose calls happen one after the other. DynamoDB isolates transactions from each other; moto
    takes a cancelled one back by restoring everything, other callers' writes included."""

    client: Any
    turn: threading.Lock

    def __getattr__(self, name: str) -> Any:
        act = getattr(self.client, name)
        if name == "exceptions":
            return act

        def call(**request: Any) -> Any:
            with self.turn:
                return act(**request)

        return call


@dataclass
class Tables:
    """A consumer's tables, and consumers on them."""

    aws: Clients
    state: str
    metrics: str
    reported: list[Measured] = field(default_factory=list)

    def figures(self, client: Any = None) -> DynamoFigures:
        client = client or self.aws("dynamodb")
        return DynamoFigures(client, state_table=self.state, metrics_table=self.metrics)

    def consumer(self, client: Any = None) -> Analytics:
        store, clock = self.figures(client), FakeClock()
        clock.now = NOON - 1_700_000_000.0 + 5_000.0
        alerting = EventBridgeAlerts(self.aws("events"), "default", env="dev")
        return Analytics(store, store, alerting, lambda counted, poison: self.reported.extend(counted), clock)

    def total(self, subject: str, metric: str) -> float:
        minutes = self.figures().minutes(subject, 0, 2**31)
        return sum(figures.total(metric) for figures in minutes.values())


@pytest.fixture
def tables(aws: Clients) -> Tables:
    return Tables(aws, state_table(aws("dynamodb")), metrics_table(aws("dynamodb")))


@pytest.fixture
def stream(aws: Clients) -> Iterator[str]:
    name, kinesis = unique("events"), aws("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    yield name
    kinesis.delete_stream(StreamName=name)


def as_lambda_gets_it(kinesis: Any, stream: str) -> list[dict[str, Any]]:
    """One event per shard."""
    events = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        place = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        rows = kinesis.get_records(ShardIterator=place)["Records"]
        events.append(
            {
                "Records": [
                    {
                        "kinesis": {
                            "sequenceNumber": row["SequenceNumber"],
                            "partitionKey": row["PartitionKey"],
                            "data": base64.b64encode(row["Data"]).decode(),
                        }
                    }
                    for row in rows
                ]
            }
        )
    return events


async def test_what_the_sink_sent_is_counted_exactly_by_two_consumers_side_by_side(
    aws: Clients, tables: Tables, stream: str
) -> None:
    """Each shard is delivered twice, all at the same time, to consumers that write the same minutes and targets."""
    sink = KinesisEventSink(aws("kinesis"), stream)
    for n in range(300):
        sink.emit(outcome(n, EDGE if n % 3 else NOVA, latency_ms=float(n)))
    await sink.close()
    assert sink.delivered == 300
    events = as_lambda_gets_it(aws("kinesis"), stream)
    assert all(event["Records"] for event in events)

    one_by_one = Serial(aws("dynamodb"), threading.Lock())

    def until_taken(event: dict[str, Any]) -> None:
        for _ in range(20):
            if not failures(tables.consumer(one_by_one).consume(event)):
                return
        raise AssertionError("never taken")

    threads = [threading.Thread(target=until_taken, args=(event,)) for event in events * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tables.total(EDGE, "Requests"), tables.total(NOVA, "Requests")) == (200.0, 100.0)
    assert tables.total(tier_subject("mec"), "CostUsd") == pytest.approx(0.2)
    assert sum(1 for one in tables.reported if ("Requests", 1.0) in one.values) == 300
    minute = tables.figures().minutes(NOVA, NOON, NOON)[NOON]
    assert minute.quantile("LatencyMs", 0.5) == pytest.approx(149.0, rel=0.04)


async def test_estimates_are_where_a_gateway_reads_them(tables: Tables) -> None:
    tables.consumer().consume(delivered([outcome(n) for n in range(90)]))
    tables.consumer().consume(delivered([failure(n) for n in range(100, 110)]))
    store = DynamoStateStore(tables.aws("dynamodb"), tables.state)
    found = await load(store, [EDGE, "mec/unheard-of"])
    await store.close()
    assert set(found) == {EDGE}
    estimates = found[EDGE].estimates
    assert (estimates.samples, estimates.timed) == (100, 90)
    assert estimates.ttft_ms == pytest.approx(20.0, rel=0.01)
    assert estimates.decode_ms == pytest.approx(20.0, rel=0.05)  # (100 - 20) ms over four further tokens
    assert 0.3 < estimates.error_rate < 0.5


@dataclass
class Crashing:
    """A DynamoDB client that loses the answer of its `n`-th transaction after the service has done it."""

    client: Any
    n: int

    def transact_write_items(self, **request: Any) -> Any:
        answer = self.client.transact_write_items(**request)
        self.n -= 1
        if self.n == 0:
            raise botocore.exceptions.ReadTimeoutError(endpoint_url="http://127.0.0.1:1")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


def test_an_answer_lost_after_the_transaction_counts_nothing_twice(tables: Tables) -> None:
    event = delivered([outcome(n) for n in range(150)])
    failed = failures(tables.consumer(Crashing(tables.aws("dynamodb"), 2)).consume(event))
    assert failed == [str(n) for n in range(60, 120)]
    assert failures(tables.consumer().consume(event)) == []
    assert tables.total(EDGE, "Requests") == 150.0


def test_marks_and_minutes_are_told_when_to_go(tables: Tables) -> None:
    tables.consumer().consume(delivered([outcome(1)]))
    dynamodb = tables.aws("dynamodb")
    for table in (tables.state, tables.metrics):
        for item in dynamodb.scan(TableName=table)["Items"]:
            assert "expires" in item or item["key"]["S"].startswith("state#estimates#")


def test_a_writer_in_between_is_told_from_an_event_that_was_counted(tables: Tables) -> None:
    store = tables.figures()
    minutes = fold(measure(outcome(1)))
    assert store.commit(["a"], minutes, {"estimates#x": (b"1", 0)}) == frozenset()
    with pytest.raises(StaleStateError):
        store.commit(["b"], minutes, {"estimates#x": (b"2", 0)})
    assert store.commit(["a", "c"], minutes, {}) == {"a"}
    assert store.commit(["b", "c"], minutes, {"estimates#x": (b"2", 1)}) == frozenset()
    assert tables.total(EDGE, "Requests") == 2.0
    assert store.states(["estimates#x"])["estimates#x"].version == 2


def test_a_table_that_is_not_there_is_a_store_error(aws: Clients) -> None:
    store = DynamoFigures(aws("dynamodb"), state_table=unique("no"), metrics_table=unique("no"))
    acts: list[Callable[[], object]] = [
        lambda: store.states(["x"]),
        lambda: store.commit(["x"], {}, {}),
        lambda: store.minutes("x", 0, 1),
        lambda: store.claim("x", 1.0),
        lambda: store.release("x"),
    ]
    for act in acts:
        with pytest.raises(StoreError):
            act()


def test_every_error_that_dynamodb_lists_is_known() -> None:
    model = botocore.session.get_session().get_service_model("dynamodb")
    listed = {shape.name for name in OPERATIONS for shape in model.operation_model(name).error_shapes}
    assert listed and listed <= set(FAULTS)


@pytest.fixture
def deployed(aws: Clients, aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An environment's own names, and the variables that a function finds."""
    env = unique("env")
    dynamodb = aws("dynamodb")
    dynamodb.create_table(
        TableName=resource_name(env, "state"),
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    metrics_table(dynamodb, resource_name(env, "metrics"))
    aws("events").create_event_bus(Name=resource_name(env, EVENT_BUS))
    for name, value in {**environment(aws_endpoint), "TIERWISE_ENV": env}.items():
        monkeypatch.setenv(name, value)
    analytics._analytics.cache_clear()
    yield env
    analytics._analytics.cache_clear()


def test_the_function_itself_counts_reports_and_alerts(
    aws: Clients, deployed: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    queue = alerts_queue(aws, resource_name(deployed, EVENT_BUS))
    now = int(time.time()) // 60 * 60
    rows: Sequence[Any] = [failure(n, time=now + 1.0) for n in range(6)]
    answer = analytics.handle(delivered([*rows, b"poison"]), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "6"}]}
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    by_dimensions = {tuple(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]): line for line in lines}
    assert by_dimensions[("Env", "Tier", "Target")]["Errors"] == 6.0
    assert by_dimensions[("Env", "Agent")]["AgentErrors"] == 1.0
    analytics.handle(delivered(rows), None)
    messages = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    (event,) = [json.loads(message["Body"]) for message in messages]
    assert (event["source"], event["detail-type"]) == ("tierwise", "TargetDown")
    assert event["detail"]["subject"] == EDGE


def test_the_function_ends_a_harmful_canary_in_parameter_store(aws: Clients, deployed: str) -> None:
    queue, ssm = alerts_queue(aws, resource_name(deployed, EVENT_BUS)), aws("ssm")
    policy, rollout = policy_parameter(deployed), rollout_parameter(deployed)
    for name, label in (("stable", "stable"), ("dear", "canary")):
        version = ssm.put_parameter(Name=policy, Value=document(name), Type="String", Overwrite=True)[
            "Version"
        ]
        ssm.label_parameter_version(Name=policy, ParameterVersion=version, Labels=[label])
    ssm.put_parameter(Name=rollout, Value='{"share": 0.2}', Type="String", Overwrite=True)
    stable, canary = (parse(document(name)).sha256 for name in ("stable", "dear"))
    now = int(time.time()) // 60 * 60
    rows = [decision(n, canary if n % 4 == 0 else stable) | {"time": now + 1.0} for n in range(200)]
    assert failures(analytics.handle(delivered(rows), None)) == []
    rows = [
        outcome(n, cost_usd=(0.004 if n % 4 == 0 else 0.001) * (1 + n % 3 / 10), time=now + 1.0)
        for n in range(200)
    ]
    assert failures(analytics.handle(delivered(rows), None)) == []
    document_now = json.loads(ssm.get_parameter(Name=rollout)["Parameter"]["Value"])
    assert document_now["share"] == 0.0
    assert (document_now["change"]["action"], document_now["change"]["by"]) == ("rollback", "tierwise")
    assert document_now["change"]["why"].startswith("cost $0.00")
    messages = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    (event,) = [json.loads(message["Body"]) for message in messages]
    assert (event["detail-type"], event["detail"]["subject"]) == ("CanaryHarm", "dear@1")
    left = [
        item["key"]["S"] for item in aws("dynamodb").scan(TableName=resource_name(deployed, "state"))["Items"]
    ]
    assert not [key for key in left if key.startswith("state#canary-stream#")]


def alerts_queue(aws: Clients, bus: str) -> str:
    """A queue that gets every event of ours on the bus."""
    sqs, events = aws("sqs"), aws("events")
    url: str = sqs.create_queue(QueueName=unique("alerts"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = unique("rule")
    events.put_rule(Name=rule, EventBusName=bus, EventPattern=json.dumps({"source": ["tierwise"]}))
    events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
    return url
