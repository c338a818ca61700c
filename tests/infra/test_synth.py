"""The templates as a whole: made offline, the same every time, and judged by rules that do find faults."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.environments import ENVIRONMENTS
from router_core import deployment
from tests.infra.templates import ROOT, Synthesis, offline, synthesise

JUDGES = {"AwsSolutions", "CloudFormation Validate"}
COMPARED = (".template.json", ".assets.json", "manifest.json")


def test_every_environment_has_its_stacks(synthesis: Synthesis) -> None:
    stacks = {name: set(synthesis.stacks(name)) for name in deployment.ENVIRONMENTS}
    assert {"network", "data", "cache", "agents", "workflow", "api"} <= stacks["prod"]
    assert stacks["dev"] <= stacks["prod"]
    assert stacks["staging"] <= stacks["prod"]


@pytest.mark.parametrize(
    "program",
    [
        [sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"],
        ["node", "-e", "require('net').connect(9, '127.0.0.1')"],
    ],
)
def test_the_processes_that_made_them_had_no_network(program: list[str], tmp_path: Path) -> None:
    """The same variables as the synthesis ran under: an address that would refuse is not even asked."""
    run = subprocess.run(program, env=offline(tmp_path), capture_output=True, text=True)
    assert run.returncode != 0
    assert "no network here" in run.stderr


def test_the_templates_are_the_same_every_time(synthesis: Synthesis, tmp_path: Path) -> None:
    again = tmp_path / "again"
    synthesise(again, offline(tmp_path, PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C"), "dev")
    names = sorted(path.name for path in (again / "dev").iterdir() if path.name.endswith(COMPARED))
    assert len(names) > len(COMPARED)
    same, differing, failed = filecmp.cmpfiles(synthesis.out / "dev", again / "dev", names, shallow=False)
    assert (differing, failed) == ([], [])
    assert same == names


@pytest.mark.parametrize("environment", deployment.ENVIRONMENTS)
def test_every_judge_was_heard_and_found_nothing(synthesis: Synthesis, environment: str) -> None:
    report = json.loads((synthesis.out / environment / "validation-report.json").read_text())
    verdicts = {plugin["pluginName"]: plugin for plugin in report["pluginReports"]}
    assert set(verdicts) >= JUDGES
    for name, plugin in verdicts.items():
        assert plugin["conclusion"] == "success", name
        assert plugin["violations"] == [], name


def test_cloudformation_has_no_complaint(synthesis: Synthesis) -> None:
    """Two warnings are left out. W3005: the CDK states some dependencies twice. W3010: which zones an environment
    uses is one of its values, so that the templates do not depend on the account they are made with."""
    templates = sorted(str(path) for path in synthesis.out.rglob("*.template.json"))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", "W3005", "W3010", "--"]
    run = subprocess.run([*command, *templates], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[:6_000]


def test_nothing_is_looked_up_in_an_account(synthesis: Synthesis) -> None:
    for environment in deployment.ENVIRONMENTS:
        manifest = json.loads((synthesis.out / environment / "manifest.json").read_text())
        assert manifest.get("missing", []) == []


def test_the_committed_zones_hold_those_of_the_environments() -> None:
    context = json.loads((ROOT / "cdk.context.json").read_text())
    for environment in ENVIRONMENTS.values():
        zones = context[f"availability-zones:account={environment.account}:region={environment.region}"]
        assert set(environment.zones) <= set(zones)


def test_no_template_holds_a_secret(synthesis: Synthesis) -> None:
    """Secrets are generated in the account and referred to."""
    for where, stack in synthesis.everything():
        for name, secret in stack.of("SecretsManager::Secret").items():
            assert "SecretString" not in secret, f"{where}: {name}"
        for name, group in stack.of("ElastiCache::ReplicationGroup").items():
            assert "{{resolve:secretsmanager:" in json.dumps(group["AuthToken"]), f"{where}: {name}"


def test_everything_is_tagged_with_its_environment(synthesis: Synthesis) -> None:
    for where, stack in synthesis.everything():
        for kind in ("S3::Bucket", "Lambda::Function", "KMS::Key", "EC2::VPC"):
            for name, properties in stack.of(kind).items():
                tags = {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
                assert tags["environment"] == where.split("/")[0], f"{where}: {name}"
                assert tags["application"] == "tierwise"
