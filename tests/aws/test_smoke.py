"""`tierwise aws smoke` on the deployed templates: all is well, and what is broken is named.

moto's own CloudFormation leaves out three things that the command looks for: backups of tables, encryption of the stream,
and that buckets are closed. The fixture sets them by hand to what the templates say.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from router_core.deployment import STREAM, SYNC_MACHINE, policy_parameter, resource_name
from tests.localaws import address
from tests.localaws.processes import ROOT
from tests.localaws.site import Site


@pytest.fixture(scope="module", autouse=True)
def _as_the_templates_say(site: Site) -> None:
    dynamodb, kinesis, s3, sqs = (site.client(name) for name in ("dynamodb", "kinesis", "s3", "sqs"))
    for queue in ("events-dlq", "functions-dlq"):  # other tests of this session may have left letters there
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=resource_name("dev", queue))["QueueUrl"])
    for kind, body in declared(site):
        if kind == "DynamoDB::GlobalTable":
            (replica,) = body["Replicas"]
            wanted = replica["PointInTimeRecoverySpecification"]
            dynamodb.update_continuous_backups(
                TableName=body["TableName"], PointInTimeRecoverySpecification=wanted
            )
        if kind == "Kinesis::Stream" and body["StreamEncryption"]["EncryptionType"] == "KMS":
            encrypt(kinesis)
        if kind == "S3::Bucket" and isinstance(body.get("BucketName"), str):
            closed = body["PublicAccessBlockConfiguration"]
            s3.put_public_access_block(Bucket=body["BucketName"], PublicAccessBlockConfiguration=closed)


def declared(site: Site) -> Iterator[tuple[str, dict[str, Any]]]:
    """Type and properties of every resource of the templates."""
    for template in site.assembly.glob("*.template.json"):
        for resource in json.loads(template.read_text())["Resources"].values():
            yield resource["Type"].removeprefix("AWS::"), resource.get("Properties", {})


def encrypt(kinesis: Any) -> None:
    kinesis.start_stream_encryption(
        StreamName=resource_name("dev", STREAM), EncryptionType="KMS", KeyId="alias/aws/kinesis"
    )


def smoke(site: Site, *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status, and the findings by check; in a process of its own, as an operator runs it."""
    variables = {
        **os.environ,
        **address.environment(site.aws_url),
        "TIERWISE_KEY": site.keys["phone-app"].value,
    }
    command = [sys.executable, "-m", "gateway", "aws", "smoke", "--env", "dev", "--json", *more]
    run = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)
    assert run.stdout, run.stderr
    return run.returncode, {finding["check"]: finding for finding in json.loads(run.stdout)}


def test_a_fresh_deployment_is_well(site: Site) -> None:
    status, found = smoke(site, "--url", site.api_url, "--ask")
    assert {name: one["seen"] for name, one in found.items() if not one["ok"]} == {}
    assert status == 0
    assert {"account", "stacks", "policy", "tables", "stream", "functions", "workflow", "answer"} <= set(
        found
    )


def test_a_policy_that_cannot_be_used_is_named(site: Site) -> None:
    ssm, name = site.client("ssm"), policy_parameter("dev")
    before = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    try:
        ssm.put_parameter(Name=name, Value='{"nonsense": 1}', Type="String", Overwrite=True)
        status, found = smoke(site)
    finally:
        ssm.put_parameter(Name=name, Value=before, Type="String", Overwrite=True)
    assert status == 1
    assert [check for check, one in found.items() if not one["ok"]] == ["policy"]
    assert "nonsense" in found["policy"]["seen"]


def test_a_machine_that_is_gone_is_named(site: Site) -> None:
    states = site.client("stepfunctions")
    name = resource_name("dev", SYNC_MACHINE)
    arn = f"arn:aws:states:{address.REGION}:{address.ACCOUNT}:stateMachine:{name}"
    there = states.describe_state_machine(stateMachineArn=arn)
    states.delete_state_machine(stateMachineArn=arn)
    try:
        status, found = smoke(site)
    finally:
        states.create_state_machine(
            **{part: there[part] for part in ("name", "definition", "roleArn", "type")}
        )
    assert status == 1
    assert [check for check, one in found.items() if not one["ok"]] == ["workflow"]


def test_a_stream_without_encryption_is_named(site: Site) -> None:
    kinesis, name = site.client("kinesis"), resource_name("dev", STREAM)
    kinesis.stop_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    try:
        status, found = smoke(site)
    finally:
        encrypt(kinesis)
    assert status == 1
    assert [check for check, one in found.items() if not one["ok"]] == ["stream"]


@pytest.mark.parametrize("env", ["staging"])
def test_an_environment_that_is_not_there_is_named(site: Site, env: str) -> None:
    variables = {**os.environ, **address.environment(site.aws_url)}
    command = [sys.executable, "-m", "gateway", "aws", "smoke", "--env", env, "--json"]
    run = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)
    assert run.returncode == 1
    found = {finding["check"]: finding["ok"] for finding in json.loads(run.stdout)}
    assert not any(ok for check, ok in found.items() if check != "account")
