"""Who did what is recorded and cannot be changed, keys rotate, and nothing of the upper stacks may do everything."""

from __future__ import annotations

import json
import re

import pytest

from infra.environments import ENVIRONMENTS
from infra.sizing import ApiKey
from router_core.deployment import TABLES, settings_prefix
from tests.infra.templates import Synthesis, listed

UPPER = ("edge", "stream", "observability", "security", "cost", "pipeline")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_call_is_recorded_signed_and_encrypted(synthesis: Synthesis, environment: str) -> None:
    trail = synthesis.stack(environment, "security").one("CloudTrail::Trail")
    assert trail["IsLogging"] is True
    assert trail["IsMultiRegionTrail"] is True
    assert trail["EnableLogFileValidation"] is True
    assert trail["KMSKeyId"]
    (selector,) = trail["EventSelectors"]
    assert selector["ReadWriteType"] == "All"
    told = ENVIRONMENTS[environment].upper.audit.data_events
    recorded = json.dumps(selector.get("DataResources", []))
    assert all((f"table/tierwise-{environment}-{table}" in recorded) == told for table in TABLES)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_evidence_is_kept_closed_and_apart(synthesis: Synthesis, environment: str) -> None:
    stack = synthesis.stack(environment, "security")
    key, bucket = stack.one("KMS::Key"), stack.one("S3::Bucket")
    assert key["EnableKeyRotation"] is True
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == ENVIRONMENTS[environment].upper.audit.trail_days
    statements = stack.one("S3::BucketPolicy")["PolicyDocument"]["Statement"]
    for statement in statements:
        if statement["Effect"] == "Allow":
            assert set(statement["Principal"]) == {"Service"}
            assert statement["Condition"]["StringEquals"]["aws:SourceAccount"]
    assert any(s["Effect"] == "Deny" and "aws:SecureTransport" in json.dumps(s) for s in statements)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_key_rotates_and_is_named_to_gateways(synthesis: Synthesis, environment: str) -> None:
    stack = synthesis.stack(environment, "security")
    secrets = stack.of("SecretsManager::Secret")
    rotated = {
        rotation["SecretId"]["Ref"]: rotation for rotation in stack.of("SecretsManager::RotationSchedule").values()
    }  # fmt: skip
    assert rotated.keys() == secrets.keys()
    days = ENVIRONMENTS[environment].upper.audit.rotation_days
    for rotation in rotated.values():
        assert rotation["RotationRules"]["AutomaticallyAfterDays"] == days
        assert rotation["RotationLambdaARN"]
    parameter = stack.one("SSM::Parameter")
    assert parameter["Name"] == f"{settings_prefix(environment)}/keys"
    assert all(name in json.dumps(parameter["Value"]) for name in secrets)
    permission = stack.one("Lambda::Permission")
    assert permission["Principal"] == "secretsmanager.amazonaws.com"
    assert permission["SourceAccount"] == ENVIRONMENTS[environment].account


def test_no_secret_is_written_into_a_template(synthesis: Synthesis) -> None:
    for where, stack in synthesis.everything():
        for name, secret in stack.of("SecretsManager::Secret").items():
            assert "SecretString" not in secret, f"{where} {name}"
            assert secret["GenerateSecretString"], f"{where} {name}"


def test_rules_watch_what_the_templates_promise(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "security")
    watched = {rule["Source"]["SourceIdentifier"] for rule in stack.of("Config::ConfigRule").values()}
    assert watched >= {
        "DYNAMODB_PITR_ENABLED",
        "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED",
        "IAM_POLICY_NO_STATEMENTS_WITH_ADMIN_ACCESS",
        "CLOUD_TRAIL_LOG_FILE_VALIDATION_ENABLED",
    }
    assert stack.one("Config::ConfigurationRecorder")["RecordingGroup"]["ResourceTypes"]


def test_refusals_are_counted_from_the_log_that_the_api_writes(synthesis: Synthesis) -> None:
    counted = synthesis.stack("prod", "security").one("Logs::MetricFilter")
    logs = {log["LogGroupName"] for log in synthesis.stack("prod", "api").of("Logs::LogGroup").values()}
    assert counted["LogGroupName"] in logs
    (metric,) = counted["MetricTransformations"]
    alarms = synthesis.stack("prod", "observability").of("CloudWatch::Alarm").values()
    names = {(alarm.get("Namespace"), alarm.get("MetricName")) for alarm in alarms}
    assert (metric["MetricNamespace"], metric["MetricName"]) in names


def test_threats_are_watched_for_where_the_environment_pays_for_it(synthesis: Synthesis) -> None:
    for name, environment in ENVIRONMENTS.items():
        detectors = synthesis.stack(name, "security").of("GuardDuty::Detector")
        assert len(detectors) == int(environment.upper.audit.guardduty)


@pytest.mark.parametrize("what", UPPER)
def test_no_role_may_do_everything_to_anything(synthesis: Synthesis, what: str) -> None:
    stack = synthesis.stack("prod", what)
    for name, statement in stack.statements():
        actions, resources = listed(statement["Action"]), listed(statement["Resource"])
        assert "*" not in actions, name
        assert not any(re.fullmatch(r"[\w-]+:\*", action) for action in actions), name
        if "*" in resources:
            assert not any("*" in action for action in actions), f"{name}: {actions}"


@pytest.mark.parametrize("what", UPPER)
def test_keys_are_used_by_named_services_of_this_account(synthesis: Synthesis, what: str) -> None:
    for key in synthesis.stack("prod", what).of("KMS::Key").values():
        assert key["EnableKeyRotation"] is True
        for statement in key["KeyPolicy"]["Statement"]:
            if set(statement["Principal"]) == {"Service"}:
                assert "Condition" in statement or "events." in statement["Principal"]["Service"]
                assert not any("*" in action.rstrip("*") for action in listed(statement["Action"]))


def test_a_key_is_well_named() -> None:
    with pytest.raises(ValueError, match="no key's id"):
        ApiKey(id="../other")
    with pytest.raises(ValueError, match="user or admin"):
        ApiKey(id="app", role="root")
