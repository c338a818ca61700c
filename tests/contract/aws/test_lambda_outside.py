"""What the functions share, over the local AWS: records that are there when the handler returns, answers, large values,
and runs that are started once."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from gateway.hosts.answered import StoredAnswers, WorkflowRequests
from gateway.hosts.outside import Outside, aws_outside
from gateway.settings.loading import load
from router_core.deployment import ARCHIVED, WORKFLOW_ARN
from router_core.errors import ConfigurationError, StoreError
from router_core.inference import Caller, InferenceRequest, Privacy
from tests.localmoto import Clients, decisions_table, environment, state_table, unique

MACHINE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


@pytest.fixture
def variables(aws: Clients, aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Fresh names for everything that a function is told."""
    stream, bucket = unique("events"), unique("archive")
    aws("kinesis").create_stream(StreamName=stream, ShardCount=1)
    aws("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": aws("s3").meta.region_name}
    )
    machine = aws("stepfunctions").create_state_machine(
        name=unique("machine"), definition=json.dumps(MACHINE), roleArn="arn:aws:iam::123456789012:role/runs"
    )
    for name, value in environment(aws_endpoint).items():
        monkeypatch.setenv(name, value)
    return {
        "TIERWISE_EVENTS__KINESIS": stream,
        "TIERWISE_STORES__DECISIONS": decisions_table(aws("dynamodb")),
        "TIERWISE_STORES__STATE": state_table(aws("dynamodb")),
        "TIERWISE_STORES__ARCHIVE": bucket,
        WORKFLOW_ARN: machine["stateMachineArn"],
    }


def outside_of(variables: dict[str, str]) -> Outside:
    return aws_outside(load(None, variables), variables)


def request(tenant: str = "acme", **more: Any) -> InferenceRequest:
    return InferenceRequest(
        request_id=unique("req"),
        received_s=0.0,
        caller=Caller(tenant=tenant, key_id="k"),
        messages=({"role": "user", "content": "hello"},),
        **more,
    )


def decision(request_id: str) -> dict[str, Any]:
    return {
        "kind": "decision",
        "schema": 1,
        "time": 1.8e9,
        "request_id": request_id,
        "tenant": "acme",
        "chosen": "a",
    }


async def test_records_are_delivered_when_flush_returns(aws: Clients, variables: dict[str, str]) -> None:
    outside = outside_of(variables)
    ids = [unique("req") for _ in range(3)]
    for request_id in ids:
        outside.events().emit(decision(request_id))
    await outside.flush()
    stream = variables["TIERWISE_EVENTS__KINESIS"]
    shard = aws("kinesis").list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    cursor = aws("kinesis").get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )
    sent = aws("kinesis").get_records(ShardIterator=cursor["ShardIterator"])["Records"]
    assert [json.loads(record["Data"])["request_id"] for record in sent] == ids
    lookup = outside.decisions()
    assert lookup is not None
    found = await lookup.find(ids[0])
    assert found is not None
    assert found["decision"]["chosen"] == "a"
    await outside.events().close()


async def test_a_record_too_large_for_an_item_lies_in_the_archive(
    aws: Clients, variables: dict[str, str]
) -> None:
    outside, request_id = outside_of(variables), unique("req")
    large = random.Random(3).randbytes(420_000).hex()  # nothing that a table could pack
    outside.events().emit({**decision(request_id), "features": {"large": large}})
    await outside.flush()
    kept = aws("s3").list_objects_v2(Bucket=variables["TIERWISE_STORES__ARCHIVE"])["Contents"]
    assert [entry["Key"].startswith(ARCHIVED) for entry in kept] == [True]
    lookup = outside.decisions()
    assert lookup is not None
    found = await lookup.find(request_id)
    assert found is not None
    assert found["decision"]["features"] == {"large": large}
    await outside.events().close()


async def test_an_answer_is_kept_for_its_tenant_whatever_its_size(variables: dict[str, str]) -> None:
    answers = StoredAnswers(outside_of(variables))
    asked = request()
    body = {"request_id": asked.request_id, "status": "completed", "output": {"text": "word " * 20_000}}
    await answers.put_first(asked, {"status": "queued"})
    await answers.put(asked, body)
    await answers.put_first(asked, {"status": "queued"})
    assert await answers.get("acme", asked.request_id) == body
    assert await answers.get("rival", asked.request_id) is None


async def test_a_restricted_answer_is_kept_for_an_hour(aws: Clients, variables: dict[str, str]) -> None:
    answers = StoredAnswers(outside_of(variables))
    for level in ("restricted", "internal"):
        await answers.put(request(level, privacy=Privacy(level=level)), {"status": "completed"})
    items = aws("dynamodb").scan(TableName=variables["TIERWISE_STORES__STATE"])["Items"]
    ends = sorted((int(item["expires"]["N"]), item["key"]["S"]) for item in items)
    assert "restricted" in ends[0][1]
    assert 22 * 3_600 < ends[1][0] - ends[0][0] < 24 * 3_600


async def test_a_request_is_one_run_however_often_it_is_submitted(
    aws: Clients, variables: dict[str, str]
) -> None:
    work, asked = WorkflowRequests(outside_of(variables)), request()
    await work.submit(asked, 100)
    await work.submit(asked, 100)
    runs = aws("stepfunctions").list_executions(stateMachineArn=variables[WORKFLOW_ARN])["executions"]
    assert [run["name"] for run in runs] == [asked.request_id]
    sent = aws("stepfunctions").describe_execution(executionArn=runs[0]["executionArn"])["input"]
    assert json.loads(sent)["request"]["caller"] == {"tenant": "acme", "key_id": "k"}
    found = await work.found("acme", asked.request_id)
    assert found == {"request_id": asked.request_id, "status": "queued", "stage": "CREATED"}


async def test_a_machine_that_is_gone_is_a_store_error(variables: dict[str, str]) -> None:
    variables[WORKFLOW_ARN] = variables[WORKFLOW_ARN] + "-gone"
    with pytest.raises(StoreError, match="does not exist"):
        await WorkflowRequests(outside_of(variables)).submit(request(), 1)


def test_a_part_without_a_name_is_refused_when_it_is_needed(tmp_path: Path) -> None:
    outside = aws_outside(load(None, {}), {})
    assert outside.decisions() is None
    assert outside.workflow() is None
    with pytest.raises(ConfigurationError, match=r"stores\.state"):
        outside.states()
