"""Alerts on the bus: what a rule's target gets, and refusals as errors of ours."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from router_core.adapters.aws.eventbridge import ENTRIES, FAULTS, EventBridgeAlerts
from router_core.errors import StoreError
from router_core.learning.event_alerts import Alert
from tests.localmoto import Clients, client, unique

MODEL = botocore.session.get_session().get_service_model("events")


def alert(number: int) -> Alert:
    return Alert(
        kind="CostSpike", subject=f"cloud/{number}", period_s=1_800_000_000, figures=(("cost_usd", 1.25),)
    )


def received(aws: Clients, queue: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while messages := aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            aws("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.fixture
def bus(aws: Clients) -> str:
    name = unique("bus")
    aws("events").create_event_bus(Name=name)
    return name


@pytest.fixture
def queue(aws: Clients, bus: str) -> str:
    """A queue that gets what a rule for cost spikes of ours matches."""
    sqs, events = aws("sqs"), aws("events")
    url: str = sqs.create_queue(QueueName=unique("alerts"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = unique("rule")
    pattern = {"source": ["tierwise"], "detail-type": ["CostSpike"]}
    events.put_rule(Name=rule, EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
    return url


def test_a_rule_matches_alerts_by_source_and_kind(aws: Clients, bus: str, queue: str) -> None:
    EventBridgeAlerts(aws("events"), bus, env="dev").send([alert(n) for n in range(2 * ENTRIES + 3)])
    events = received(aws, queue)
    assert sorted(event["detail"]["subject"] for event in events) == sorted(
        f"cloud/{n}" for n in range(2 * ENTRIES + 3)
    )
    assert events[0]["detail"] | {"subject": ""} == {
        "env": "dev", "subject": "", "period_start": "2027-01-15T08:00:00+00:00", "cost_usd": 1.25,
    }  # fmt: skip


class Refusing:
    """Answers as EventBridge does when it takes one entry and refuses the other."""

    def put_events(self, **request: Any) -> dict[str, Any]:
        answer = {
            "FailedEntryCount": 1,
            "Entries": [{"EventId": "1"}, {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}],
        }
        operation = MODEL.operation_model("PutEvents")
        for body, shape in ((request, operation.input_shape), (answer, operation.output_shape)):
            assert shape is not None
            assert not ParamValidator().validate(body, shape).has_errors()
        return answer


def test_an_entry_that_is_refused_is_an_error() -> None:
    refusing: Any = Refusing()
    with pytest.raises(StoreError, match="ThrottlingException"):
        EventBridgeAlerts(refusing, "alerts", env="dev").send([alert(1), alert(2)])


def test_a_bus_that_cannot_be_reached_is_an_error() -> None:
    away = client("http://127.0.0.1:9", "events")
    with pytest.raises(StoreError, match="cannot be reached"):
        EventBridgeAlerts(away, "alerts", env="dev").send([alert(1)])
    away.close()


def test_every_error_that_eventbridge_lists_is_known() -> None:
    listed = {shape.name for shape in MODEL.operation_model("PutEvents").error_shapes}
    assert listed and listed <= set(FAULTS)
