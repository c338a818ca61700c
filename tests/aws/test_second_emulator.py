"""What moto leaves out, on the second emulator with the real templates' own resources: alarms that act, items that expire.

Neither emulator shows delays, quotas or rights of an account.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from router_core.deployment import NAMESPACE, resource_name
from tests.aws.conftest import until
from tests.localaws import address, second
from tests.localaws.site import Site

EXPIRES_WITHIN_S = 75.0
TOPIC_TYPES = ("AWS::KMS::Key", "AWS::SNS::Topic")


def observability(site: Site) -> Path:
    return site.assembly / f"{resource_name('dev', 'observability')}.template.json"


def plain(body: dict[str, Any]) -> bool:
    """An alarm on one metric; alarms on expressions are beyond this emulator."""
    return body["Type"] == "AWS::CloudWatch::Alarm" and "MetricName" in body["Properties"]


def test_an_alarm_of_the_templates_fires_and_somebody_is_told(site: Site, emulator: str) -> None:
    template = second.reduced(observability(site), lambda _, body: body["Type"] in TOPIC_TYPES or plain(body))
    names = {body["Properties"].get("AlarmName") for body in template["Resources"].values()}
    alarm = resource_name("dev", "policy-refused")
    assert alarm in names
    second.create(emulator, "observability", template)
    sns, sqs = address.client("sns", emulator), address.client("sqs", emulator)
    queue = sqs.create_queue(QueueName="somebody")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    [topic] = [one["TopicArn"] for one in sns.list_topics()["Topics"] if one["TopicArn"].endswith("alarms")]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    cloudwatch = address.client("cloudwatch", emulator)
    data = {"MetricName": "PolicyRefused", "Value": 1.0, "Dimensions": [{"Name": "Env", "Value": "dev"}]}
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[data])

    def told() -> list[str]:
        got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        messages = [json.loads(json.loads(one["Body"])["Message"]) for one in got]
        return [one["AlarmName"] for one in messages if one["NewStateValue"] == "ALARM"]

    assert until(told, bool) == [alarm]
    state = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["StateValue"]
    assert state == "ALARM"


def test_items_expire_by_the_attribute_that_the_code_writes(emulator: str, expiring: None) -> None:
    dynamodb = address.client("dynamodb", emulator)

    def left() -> set[str]:
        found = dynamodb.scan(TableName=resource_name("dev", "decisions"))["Items"]
        found += dynamodb.scan(TableName=resource_name("dev", "state"))["Items"]
        return {item.get("request_id", item.get("key"))["S"] for item in found}

    assert until(left, lambda names: "gone" not in names, EXPIRES_WITHIN_S) == {"kept"}
