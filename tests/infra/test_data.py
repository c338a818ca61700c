"""What is kept: encrypted, restorable, closed to the public, with an end, and not lost with a stack."""

from __future__ import annotations

import json

import pytest
from aws_cdk.assertions import Match

from infra.environments import ENVIRONMENTS
from router_core import deployment
from router_core.deployment import resource_name
from tests.infra.templates import Stack, Synthesis, listed


@pytest.fixture(params=deployment.ENVIRONMENTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def data(name: str, synthesis: Synthesis) -> Stack:
    return synthesis.stack(name, "data")


def test_there_is_a_table_for_every_name_the_code_knows(name: str, data: Stack) -> None:
    tables = {table["TableName"] for table in data.of("DynamoDB::GlobalTable").values()}
    assert tables == {resource_name(name, table) for table in deployment.TABLES}


def test_every_table_is_encrypted_restorable_and_forgets(name: str, data: Stack) -> None:
    for where, table in data.of("DynamoDB::GlobalTable").items():
        (replica,) = table["Replicas"]
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}, where
        assert "Key" in json.dumps(replica["SSESpecification"]["KMSMasterKeyId"]), where
        recovery = replica["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True, where
        assert recovery["RecoveryPeriodInDays"] == ENVIRONMENTS[name].retention.backups_days, where
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}, where
        assert table["BillingMode"] == "PAY_PER_REQUEST", where


def test_decisions_are_found_by_tenant(data: Stack) -> None:
    data.check.has_resource_properties(
        "AWS::DynamoDB::GlobalTable",
        {
            "TableName": Match.string_like_regexp("-decisions$"),
            "KeySchema": [
                {"AttributeName": "request_id", "KeyType": "HASH"},
                {"AttributeName": "kind", "KeyType": "RANGE"},
            ],
            "GlobalSecondaryIndexes": [
                Match.object_like(
                    {
                        "IndexName": deployment.TENANT_INDEX,
                        "KeySchema": [
                            {"AttributeName": "tenant", "KeyType": "HASH"},
                            {"AttributeName": "time", "KeyType": "RANGE"},
                        ],
                    }
                )
            ],
        },
    )


def test_production_data_outlives_its_stack(synthesis: Synthesis) -> None:
    kinds = ("DynamoDB::GlobalTable", "S3::Bucket", "KMS::Key")
    for name, environment in ENVIRONMENTS.items():
        stack = synthesis.stack(name, "data")
        kept = {
            resource["DeletionPolicy"]
            for resource in stack.resources.values()
            if resource["Type"].removeprefix("AWS::") in kinds
        }
        assert kept == {"Retain" if environment.keeps_data else "Delete"}, name
        for table in stack.of("DynamoDB::GlobalTable").values():
            assert table["Replicas"][0].get("DeletionProtectionEnabled", False) is environment.keeps_data
    assert ENVIRONMENTS["prod"].keeps_data


def test_every_bucket_is_closed_versioned_and_encrypted(data: Stack) -> None:
    for where, bucket in data.of("S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, where
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, where
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}], where
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        algorithm = rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        assert algorithm == ("AES256" if "access-logs" in bucket["BucketName"] else "aws:kms"), where


def test_every_bucket_refuses_plain_http_and_old_tls(data: Stack) -> None:
    policies = {policy["Bucket"]["Ref"]: policy for policy in data.of("S3::BucketPolicy").values()}
    for where in data.of("S3::Bucket"):
        denied = [
            statement["Condition"]
            for statement in policies[where]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and statement["Action"] == "s3:*"
        ]
        assert {"Bool": {"aws:SecureTransport": "false"}} in denied, where
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied, where


def test_the_only_writers_from_outside_are_the_services_that_log(data: Stack) -> None:
    """Into the bucket of access logs, for nobody else and nowhere else; load balancers log from an account of AWS's."""
    for where, policy in data.of("S3::BucketPolicy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                assert "AccessLogs" in where, where
                assert set(listed(statement["Action"])) <= {"s3:PutObject", "s3:GetBucketAcl"}, where
                principal = statement["Principal"]
                assert principal.get("Service", "logging.s3.amazonaws.com").endswith(".amazonaws.com"), where
                assert principal.get("AWS") != "*", where


def test_services_use_the_key_on_this_accounts_behalf_only(name: str, data: Stack) -> None:
    account = ENVIRONMENTS[name].account
    for statement in data.one("KMS::Key")["KeyPolicy"]["Statement"]:
        if "Service" in statement["Principal"]:
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}
        else:
            assert statement["Principal"] == {"AWS": f"arn:aws:iam::{account}:root"}


def test_reads_of_data_are_logged(data: Stack) -> None:
    logged = {
        bucket["BucketName"]: bucket["LoggingConfiguration"]["LogFilePrefix"]
        for bucket in data.of("S3::Bucket").values()
        if "LoggingConfiguration" in bucket
    }
    assert len(logged) == 3
    assert len(set(logged.values())) == 3


def test_data_ends_when_the_environment_says(name: str, data: Stack) -> None:
    retention = ENVIRONMENTS[name].retention
    buckets = {bucket["BucketName"]: bucket for bucket in data.of("S3::Bucket").values()}
    ends = {"lake": retention.lake_days, "archive": retention.archive_days}
    for where, bucket in buckets.items():
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any("NoncurrentVersionExpiration" in rule for rule in rules), where
        for what, days in ends.items():
            if where.startswith(f"{resource_name(name, what)}-"):
                assert days in {rule.get("ExpirationInDays") for rule in rules}, where


def test_what_travels_beside_a_request_is_gone_within_days(data: Stack) -> None:
    rules = [
        rule
        for bucket in data.of("S3::Bucket").values()
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if rule.get("Prefix") == "payloads/"
    ]
    assert [rule["ExpirationInDays"] for rule in rules] == [7]


def test_the_key_is_renewed_every_year(data: Stack) -> None:
    assert data.one("KMS::Key")["EnableKeyRotation"] is True


def test_actions_on_the_key_for_services_are_few(data: Stack) -> None:
    for statement in data.one("KMS::Key")["KeyPolicy"]["Statement"]:
        if "Service" in statement["Principal"]:
            assert set(listed(statement["Action"])) <= {"kms:Decrypt", "kms:GenerateDataKey*"}
