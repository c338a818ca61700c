"""From a commit to every environment: in order, asked before production, with rights for one step at a time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from infra.environments import ENVIRONMENTS
from infra.sizing import Delivery
from tests.infra.templates import ROOT, Resource, Synthesis, listed

CONNECTION = (
    "arn:aws:codeconnections:eu-central-1:111122223333:connection/00000000-0000-0000-0000-000000000000"
)


def stages(synthesis: Synthesis) -> dict[str, Resource]:
    pipeline = synthesis.stack("prod", "pipeline").one("CodePipeline::Pipeline")
    assert pipeline["PipelineType"] == "V2"
    return {stage["Name"]: stage for stage in pipeline["Stages"]}


def test_one_account_hosts_the_pipeline(synthesis: Synthesis) -> None:
    hosts = [name for name in ENVIRONMENTS if "pipeline" in synthesis.stacks(name)]
    assert hosts == ["prod"]


def test_tests_come_first_and_a_person_before_production(synthesis: Synthesis) -> None:
    assert list(stages(synthesis)) == [
        "Source", "Test", "Images", "Deploy-dev", "Deploy-staging", "Approve-prod", "Deploy-prod"
    ]  # fmt: skip
    (asked,) = stages(synthesis)["Approve-prod"]["Actions"]
    assert asked["ActionTypeId"]["Category"] == "Approval"
    assert asked["Configuration"]["NotificationArn"]


def test_a_deployment_that_fails_or_alarms_goes_back(synthesis: Synthesis) -> None:
    found = stages(synthesis)
    for name in ("dev", "staging", "prod"):
        assert found[f"Deploy-{name}"]["OnFailure"]["Result"] == "ROLLBACK"
    (condition,) = found["Deploy-prod"]["OnSuccess"]["Conditions"]
    (rule,) = condition["Rules"]
    assert condition["Result"] == "ROLLBACK"
    assert rule["RuleTypeId"]["Provider"] == "CloudWatchAlarm"
    release = synthesis.stack("prod", "observability").one("CloudWatch::CompositeAlarm")
    assert rule["Configuration"]["AlarmName"] == release["AlarmName"]


def test_every_environment_gets_the_image_of_the_commit(synthesis: Synthesis) -> None:
    found = stages(synthesis)
    for name in ("dev", "staging", "prod"):
        (action,) = found[f"Deploy-{name}"]["Actions"]
        told = json.dumps(action["Configuration"]["EnvironmentVariables"])
        assert told.count("#{Source.CommitId}") == 2
        assert name in told


def test_images_are_scanned_never_renamed_and_leave(synthesis: Synthesis) -> None:
    repositories = synthesis.stack("prod", "pipeline").of("ECR::Repository")
    assert {repository["RepositoryName"] for repository in repositories.values()} == {
        "tierwise-gateway",
        "tierwise-vllm",
    }
    for repository in repositories.values():
        assert repository["ImageScanningConfiguration"]["ScanOnPush"] is True
        assert repository["ImageTagMutability"] == "IMMUTABLE"
        rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert rules[0]["selection"]["countNumber"] == 30
        (pull,) = repository["RepositoryPolicyText"]["Statement"]
        assert not any("Put" in action or "*" in action for action in pull["Action"])


def test_only_a_deployment_may_become_the_roles_of_its_environment(synthesis: Synthesis) -> None:
    stack = synthesis.stack("prod", "pipeline")
    assumed: dict[str, list[str]] = {}
    for name, statement in stack.statements():
        if "Builds" in name and "sts:AssumeRole" in listed(statement["Action"]):
            assumed[name] = [json.dumps(resource) for resource in listed(statement["Resource"])]
    assert len(assumed) == 3
    for name, roles in assumed.items():
        (environment,) = (each for each in ENVIRONMENTS if f"deploy{each}" in name)
        account = ENVIRONMENTS[environment].account
        assert all(f":{account}:role/cdk-" in role for role in roles), name


@pytest.mark.parametrize("name", ["buildspec.yml", "buildspec-image.yml", "buildspec-deploy.yml"])
def test_every_build_file_is_there_and_holds_no_secret(synthesis: Synthesis, name: str) -> None:
    used = {
        project["Source"]["BuildSpec"]
        for project in synthesis.stack("prod", "pipeline").of("CodeBuild::Project").values()
    }
    assert f"deploy/{name}" in used
    text = (ROOT / "deploy" / name).read_text()
    assert text.count("version: 0.2") == 1
    assert not re.search(r"AKIA|password:|secret:", text)


def test_images_are_nobody_in_particular_and_locked() -> None:
    for path in (Path("deploy/Dockerfile"), Path("deploy/vllm/Dockerfile")):
        text = (ROOT / path).read_text()
        assert "--require-hashes" in text
        assert text.index("USER 10001:10001") < text.index("ENTRYPOINT")
        assert "HEALTHCHECK" in text
        assert ":latest" not in text
    gateway = (ROOT / "deploy/Dockerfile").read_text()
    assert gateway.count("\nFROM ") == 2


def test_a_node_reads_s3_with_the_versions_of_the_gateway() -> None:
    entry = re.compile(r"^[a-z0-9].*?==[^\n]*\n(?:    --hash=[^\n]*\n)+", re.MULTILINE)
    ours = set(entry.findall((ROOT / "requirements/run.txt").read_text()))
    theirs = entry.findall((ROOT / "deploy/vllm/requirements.txt").read_text())
    assert len(theirs) == 7
    assert set(theirs) <= ours


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"connection_arn": "arn:aws:s3:::no"}, "no connection's ARN"),
        ({"repository": "tierwise"}, "owner/name"),
        ({"approved": ()}, "never deployed unasked"),
        ({"environments": ("dev",), "approved": ("prod",)}, "not there"),
    ],
)
def test_a_pipeline_that_would_skip_somebody_is_refused(given: dict[str, object], says: str) -> None:
    whole = {"connection_arn": CONNECTION, "repository": "example/tierwise", **given}
    with pytest.raises(ValueError, match=says):
        Delivery(**whole)  # type: ignore[arg-type]  # wrong on purpose
