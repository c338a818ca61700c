"""What becomes of records: encrypted on the way, none lost silently, and each column of Athena's is one we write."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from infra.constructs.lake import partition_query
from infra.constructs.lake_queries import questions
from infra.constructs.lake_schema import PARTITIONS, TABLES, delivered_prefix
from infra.environments import ENVIRONMENTS
from router_core.context import RequestContext
from router_core.errors import NoPermittedTargetError
from router_core.events import (
    Judgement,
    decision_record,
    outcome_record,
    policy_record,
    policy_refused_record,
    quality_record,
    refusal_record,
    report_record,
    state_record,
)
from router_core.execution import Attempt, Execution, Handoff, Output, Served
from router_core.policy.parse import from_document, to_document
from router_core.resources import ResourceState, Target, TargetSpec
from router_core.routing.decide import decide
from router_core.routing.table import compile_table
from tests.infra.templates import Synthesis

ADDED_BY_THE_SINK = {"event_id": "req_1:decision:0"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_stream_is_as_large_and_as_long_as_the_environment_says(
    synthesis: Synthesis, environment: str
) -> None:
    size = ENVIRONMENTS[environment].upper.stream
    stream = synthesis.stack(environment, "stream").one("Kinesis::Stream")
    assert stream["StreamEncryption"]["EncryptionType"] == "KMS"
    assert stream["RetentionPeriodHours"] == size.retention_hours
    assert stream.get("ShardCount") == size.shards
    assert stream["StreamModeDetails"]["StreamMode"] == ("PROVISIONED" if size.shards else "ON_DEMAND")


def test_a_record_that_fails_is_found_alone_and_kept(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "stream")
    mapping = stack.one("Lambda::EventSourceMapping")
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 0 < mapping["MaximumRetryAttempts"] <= 10
    assert 0 < mapping["MaximumRecordAgeInSeconds"] < 168 * 3600
    target = mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
    queue = stack.of("SQS::Queue")[target]
    assert queue["QueueName"] == "tierwise-prod-events-dlq"
    assert queue["MessageRetentionPeriod"] == 14 * 86400


def test_queues_are_encrypted_and_take_nothing_in_the_clear(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "stream")
    assert all("KmsMasterKeyId" in queue for queue in stack.of("SQS::Queue").values())
    for policy in stack.of("SQS::QueuePolicy").values():
        denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        assert denied[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_alerts_reach_people_or_wait(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "stream")
    assert stack.one("Events::EventBus")["Name"] == "tierwise-prod-alerts"
    rules = {rule["Name"]: rule for rule in stack.of("Events::Rule").values()}
    rule = rules["tierwise-prod-alerts-to-people"]
    assert rule["EventPattern"] == {"source": ["tierwise"]}
    (target,) = rule["Targets"]
    topic = synthesis.stack("prod", "observability").one("SNS::Topic")["TopicName"]
    assert target["Arn"] == f"arn:aws:sns:eu-central-1:111122223333:{topic}"
    assert target["DeadLetterConfig"]["Arn"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_alerts_also_reach_the_function_that_has_somebody_look(
    synthesis: Synthesis, environment: str
) -> None:
    stack = synthesis.stack(environment, "stream")
    rules = {name: rule for name, rule in stack.of("Events::Rule").items() if "listener" in rule["Name"]}
    ((name, rule),) = rules.items()
    (target,) = rule["Targets"]
    assert rule["EventPattern"] == {"source": ["tierwise"]} and target["DeadLetterConfig"]["Arn"]
    permission = stack.one("Lambda::Permission")
    assert permission["FunctionName"] == target["Arn"] and permission["Principal"] == "events.amazonaws.com"
    assert permission["SourceArn"] == {"Fn::GetAtt": [name, "Arn"]}
    queues = stack.of("SQS::QueuePolicy").values()
    assert any(
        statement.get("Condition") == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [name, "Arn"]}}}
        for queue in queues
        for statement in queue["PolicyDocument"]["Statement"]
    ), "what cannot be delivered may wait"


def test_firehose_writes_into_two_folders_of_the_lake_and_nowhere_else(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "stream")
    writing = [
        statement for _, statement in stack.statements() if "s3:PutObject" in json.dumps(statement["Action"])
    ]
    assert [sorted(statement["Resource"]) for statement in writing] == [
        [f"arn:aws:s3:::tierwise-prod-lake-111122223333-eu-central-1/{place}/*" for place in ("errors", "events")]
    ]  # fmt: skip
    destination = stack.one("KinesisFirehose::DeliveryStream")["ExtendedS3DestinationConfiguration"]
    assert destination["EncryptionConfiguration"]["KMSEncryptionConfig"]
    assert destination["DynamicPartitioningConfiguration"]["Enabled"] is True
    assert destination["BufferingHints"]["SizeInMBs"] >= 64  # the least that dynamic partitions allow


def test_every_partition_in_the_prefix_is_one_that_is_extracted() -> None:
    assert set(re.findall(r"partitionKeyFromQuery:(\w+)", delivered_prefix())) == set(PARTITIONS)


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(
    ("record", "partition"),
    [
        ({"kind": "outcome", "time": 1795219200.75, "tenant": "acme"}, ("outcome", "2026-11-21", "acme")),
        ({"kind": "state", "time": 1795219199.5}, ("state", "2026-11-20", "none")),
    ],
)
def test_jq_takes_a_record_apart_as_firehose_would(
    record: dict[str, Any], partition: tuple[str, str, str]
) -> None:
    run = subprocess.run(
        ["jq", "-c", partition_query()], input=json.dumps(record), capture_output=True, text=True, check=True
    )
    assert tuple(json.loads(run.stdout).values()) == partition


def records() -> dict[str, list[dict[str, Any]]]:
    """One record of each kind and form, as `router_core.events` makes it."""
    attempt = Attempt(target="mec/a", outcome="ok", latency_ms=1.0)
    execution = Execution(
        served=Served(target="mec/a", tier="mec", model="m"),
        output=Output(choices=()),
        usage=attempt.usage,
        attempts=(attempt,),
        cost_usd=0.1,
        energy_j=0.1,
        execution_ms=1.0,
        handoff=Handoff(source="mec/b", to="mec/a", at_chars=3),
    )
    refused = NoPermittedTargetError("none", rejected={"mec/a": "privacy"})
    state = ResourceState.of((Target(spec=TargetSpec(name="mec/a", tier="mec", kind="openai", model="m")),))
    policy = from_document({})
    context = RequestContext(
        request_id="req_1", tenant="acme", task="chat", request_class="simple", complexity=0.1, prompt_tokens=9,
        output_tokens=9, max_output_tokens=9, fit_tokens=18, position=(0.6, 0.1, 0.79), residency=(),
    )  # fmt: skip
    decision = decide(context, compile_table(state, policy), ())
    return {
        "decision": [
            decision_record(1.0, context, decision, ()),
            refusal_record(1.0, "acme", "req_1", refused),
        ],
        "outcome": [
            outcome_record(1.0, "acme", "req_1", "completed", execution, "miss"),
            report_record(1.0, "acme", "req_1", "device", attempt),
        ],
        "quality": [quality_record(1.0, "acme", "req_1", "mec/a", Judgement(source="feedback", score=0.5))],
        "state": [state_record(1.0, state.as_record())],
        "policy": [policy_record(1.0, policy.sha256, to_document(policy))],
        "policy_refused": [policy_refused_record(1.0, "ssm", "no")],
    }


@pytest.mark.parametrize("kind", TABLES)
def test_athena_knows_every_field_of_a_record(kind: str) -> None:
    found = records()[kind]
    assert found
    for record in found:
        assert record["kind"] == kind
        assert {**record, **ADDED_BY_THE_SINK}.keys() <= TABLES[kind].keys()


def test_tables_find_the_days_that_firehose_writes(synthesis: Synthesis) -> None:
    prefix = delivered_prefix()
    tables = synthesis.stack("prod", "stream").of("Glue::Table").values()
    assert {table["TableInput"]["Name"] for table in tables} == set(TABLES)
    for table in tables:
        kind, parameters = table["TableInput"]["Name"], table["TableInput"]["Parameters"]
        written = prefix.replace("!{partitionKeyFromQuery:kind}", kind)
        written = written.replace("!{partitionKeyFromQuery:day}", "${day}").split("tenant=")[0]
        assert parameters["storage.location.template"].endswith(f"/{written}")
        assert parameters["projection.enabled"] == "true"


def test_queries_cost_at_most_what_the_workgroup_allows(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "stream")
    group = stack.one("Athena::WorkGroup")
    settings = group["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    assert settings["BytesScannedCutoffPerQuery"] == 10_000_000_000
    assert settings["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    named = stack.of("Athena::NamedQuery").values()
    assert {query["WorkGroup"] for query in named} == {group["Name"]}


def test_queries_read_known_columns_of_known_tables() -> None:
    found = list(questions())
    assert {question.name for question in found} == {
        "cost-per-tier", "fallback-rate", "quality-per-target", "replay-decision"
    }  # fmt: skip
    for question in found:
        assert question.description
        read = set(re.findall(r"(?:FROM|JOIN) (\w+)", question.sql)) & set(TABLES)
        assert read, question.name
        assert "day " in question.sql, "a query without a day reads the whole lake"
        for alias, column in re.findall(r"\b([dsp])\.\"?(\w+)", question.sql):
            table = {"d": "decision", "s": "state", "p": "policy"}[alias]
            assert column in {*TABLES[table], "day"}, column
