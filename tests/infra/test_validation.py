"""The judges themselves: a template that breaks a rule does not leave the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_sqs as sqs

from infra.app import ROOT
from infra.validation import acknowledge, validate

_CLOSED = dict.fromkeys(
    ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
)
_KEPT = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
_TABLE = {
    "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
_FUNCTION = {
    "Code": {"ZipFile": "def handler(event, context): return event"},
    "Handler": "index.handler",
    "Role": "arn:aws:iam::123456789012:role/any",
    "Runtime": "python3.14",
}
_ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
BROKEN: dict[str, tuple[str, Mapping[str, object]]] = {
    "functions_are_traced": ("Lambda::Function", _FUNCTION),
    "tables_can_be_restored": (
        "DynamoDB::GlobalTable",
        _TABLE
        | {
            "Replicas": [{"Region": "eu-central-1"}],
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
        },
    ),
    "tables_are_encrypted_with_our_key": (
        "DynamoDB::GlobalTable",
        _TABLE
        | {"Replicas": [{"Region": "eu-central-1", **_KEPT}], "SSESpecification": {"SSEEnabled": False}},
    ),
    "buckets_are_closed": (
        "S3::Bucket",
        {"PublicAccessBlockConfiguration": _CLOSED | {"BlockPublicPolicy": False}},
    ),
    "logs_end": ("Logs::LogGroup", {"LogGroupName": "/for-ever"}),
    "streams_are_encrypted": ("Kinesis::Stream", {"ShardCount": 1}),
    "caches_are_encrypted": (
        "ElastiCache::ReplicationGroup",
        {
            "ReplicationGroupDescription": "open",
            "TransitEncryptionEnabled": False,
            "AtRestEncryptionEnabled": True,
        },
    ),
    "machines_are_traced": (
        "StepFunctions::StateMachine",
        {"RoleArn": "arn:aws:iam::123456789012:role/any", "DefinitionString": "{}"},
    ),
    "stages_are_traced": ("ApiGateway::Stage", {"RestApiId": "any", "StageName": "any"}),
    "policies_do_not_allow_everything": (
        "IAM::Policy",
        {
            "PolicyName": "all",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [_ANYTHING]},
            "Roles": ["any"],
        },
    ),
}

_CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]


def findings(app: App, out: Path) -> set[str]:
    """Rules that the application breaks, as `rule` and `rule: description`; empty when it may be deployed."""
    try:
        app.synth()
    except RuntimeError:
        report = json.loads((out / "validation-report.json").read_text())
        found = [violation for plugin in report["pluginReports"] for violation in plugin["violations"]]
        return {v["ruleName"] for v in found} | {v["description"] for v in found}
    return set()


def application(out: Path) -> tuple[App, Stack]:
    app = App(outdir=str(out), context=_CONTEXT)
    validate(app)
    return app, Stack(app, "judged")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What is found in a stack that breaks every rule once."""
    out = tmp_path_factory.mktemp("broken")
    app, stack = application(out)
    for rule, (kind, properties) in BROKEN.items():
        CfnResource(stack, rule, type=f"AWS::{kind}", properties=dict(properties))
    CfnResource(
        stack, "unknown", type="AWS::Logs::LogGroup", properties={"RetentionInDays": 7, "Colour": "blue"}
    )
    return findings(app, out)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_template_that_breaks_our_rule_is_refused(broken: set[str], rule: str) -> None:
    assert rule in broken


def test_every_rule_of_ours_is_tried() -> None:
    lines = (ROOT / "infra" / "rules.guard").read_text().splitlines()
    assert {line.split()[1] for line in lines if line.startswith("rule ")} == set(BROKEN)


def test_a_property_that_cloudformation_does_not_know_is_refused(broken: set[str]) -> None:
    assert any("Colour" in found for found in broken)


@pytest.mark.parametrize("reasons", [(), ("SQS3", "SQS4")])
def test_a_finding_of_cdk_nag_is_an_error_until_a_reason_is_given(
    tmp_path: Path, reasons: tuple[str, ...]
) -> None:
    app, stack = application(tmp_path)
    queue = sqs.CfnQueue(stack, "Queue")
    for rule in reasons:
        acknowledge(queue, rule, "This test says so.")
    found = findings(app, tmp_path)
    assert ({"AwsSolutions-SQS3", "AwsSolutions-SQS4"} <= found) is not bool(reasons)
    assert (found == set()) is bool(reasons)
