"""That what was deployed is what the templates say, and which of it nothing here imitates."""

from __future__ import annotations

import json
from typing import Any

from agents.proposals.book import WANTED
from router_core.adapters.dynamodb.state import PREFIX
from router_core.deployment import FUNCTIONS, TABLES, resource_name
from router_core.stages import NAMES
from tests.aws.conftest import until
from tests.localaws import cdk
from tests.localaws.site import Site

BEHAVES = {
    "AWS::ApiGateway::", "AWS::CloudWatch::Alarm", "AWS::DynamoDB::", "AWS::Events::", "AWS::IAM::", "AWS::KMS::",
    "AWS::Kinesis::", "AWS::Lambda::", "AWS::S3::Bucket", "AWS::SNS::", "AWS::SQS::", "AWS::SSM::",
    "AWS::SecretsManager::Secret", "AWS::SecretsManager::RotationSchedule", "AWS::StepFunctions::",
}  # fmt: skip
"""Types that tests rely on; one of them that was only recorded would prove nothing."""
ONLY_RECORDED = {"AWS::ApiGateway::Account", "AWS::S3::BucketPolicy"}


def test_every_stack_is_complete(site: Site) -> None:
    cloudformation = site.client("cloudformation")
    states = {one["StackName"]: one["StackStatus"] for one in cloudformation.describe_stacks()["Stacks"]}
    for name in cdk.stack_names(site.assembly):
        assert states[name] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), name
        template = json.loads((site.assembly / f"{name}.template.json").read_text())
        made = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
        wanted = {key for key, body in template["Resources"].items() if body["Type"] != "AWS::CDK::Metadata"}
        assert wanted <= {one["LogicalResourceId"] for one in made}, name


def test_nothing_that_a_test_relies_on_is_only_recorded(site: Site) -> None:
    recorded = set(site.recorded()) - ONLY_RECORDED
    assert not {one for one in recorded if any(one.startswith(prefix) for prefix in BEHAVES)}


def test_there_is_a_function_for_every_stage_and_a_table_for_every_name(site: Site) -> None:
    functions = {one["FunctionName"] for one in site.client("lambda").list_functions()["Functions"]}
    assert {resource_name("dev", name) for name in (*NAMES, *FUNCTIONS)} <= functions
    tables = set(site.client("dynamodb").list_tables()["TableNames"])
    assert {resource_name("dev", name) for name in TABLES} <= tables


def test_an_alert_on_the_bus_reaches_the_topic_for_people(site: Site) -> None:
    sns, sqs = site.client("sns"), site.client("sqs")
    queue = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    [topic] = [one["TopicArn"] for one in sns.list_topics()["Topics"] if one["TopicArn"].endswith("-alarms")]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    detail = {"target": "mec/edge-a", "says": "it fails"}
    site.client("events").put_events(
        Entries=[
            {
                "EventBusName": resource_name("dev", "alerts"),
                "Source": "tierwise",
                "DetailType": "target failing",
                "Detail": json.dumps(detail),
            }
        ]
    )
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10).get("Messages", [])
    assert len(got) == 1
    assert "target failing" in got[0]["Body"]
    assert "mec/edge-a" in got[0]["Body"]


def test_an_alert_on_the_bus_leaves_the_agents_a_wish_to_look(site: Site) -> None:
    site.client("events").put_events(
        Entries=[
            {
                "EventBusName": resource_name("dev", "alerts"),
                "Source": "tierwise",
                "DetailType": "target failing",
                "Detail": json.dumps({"target": "mec/edge-a", "says": "words of somebody else"}),
            }
        ]
    )
    dynamodb, table = site.client("dynamodb"), resource_name("dev", "state")

    def wish() -> Any:
        key = {"key": {"S": f"{PREFIX}{WANTED}"}}
        return dynamodb.get_item(TableName=table, Key=key).get("Item")

    left = until(wish, lambda item: item is not None)
    assert bytes(left["value"]["B"]) == b"alert: target failing"
    assert int(left["expires"]["N"]) > 0, "a wish that nobody fulfils ends by itself"
