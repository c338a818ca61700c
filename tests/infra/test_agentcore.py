"""The agents on AgentCore: no stack of any environment unless its image is named, then one runtime with one narrow role."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from aws_cdk import App

from infra.constructs.edge.agent_runtime import hosting
from infra.environments import DEV, ENVIRONMENTS
from infra.stacks.agentcore import AgentCoreStack
from infra.stacks.cache import CacheStack
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack
from infra.validation import validate
from router_core.deployment import DELIBERATES
from tests.infra.templates import ROOT, Synthesis

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/tierwise-agents:1.2.3"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """As judged by the same three judges as every other stack; a finding of theirs raises."""
    out = tmp_path_factory.mktemp("agentcore")
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(outdir=str(out), context={**context, "bundle": "sources"})
    environment = replace(DEV, agentcore=IMAGE, deliberation=True, proposals=True)
    network, data = NetworkStack(app, environment), DataStack(app, environment)
    cache = CacheStack(app, environment, network=network, data=data)
    AgentCoreStack(app, environment, IMAGE, network=network, data=data, cache=cache)
    validate(app)
    app.synth()
    found: dict[str, Any] = json.loads((out / "tierwise-dev-agentcore.template.json").read_text())
    return found


def test_no_environment_has_it_by_itself(synthesis: Synthesis) -> None:
    assert all(environment.agentcore is None for environment in ENVIRONMENTS.values())
    assert not list(synthesis.out.rglob("*agentcore.template.json"))


def test_one_runtime_in_the_private_subnets_with_the_functions_settings(template: dict[str, Any]) -> None:
    (runtime,) = of(template, "AWS::BedrockAgentCore::Runtime")
    assert runtime["AgentRuntimeName"] == "tierwise_dev_agents"
    assert runtime["AgentRuntimeArtifact"] == {"ContainerConfiguration": {"ContainerUri": IMAGE}}
    network = runtime["NetworkConfiguration"]
    assert network["NetworkMode"] == "VPC" and len(network["NetworkModeConfig"]["Subnets"]) == 2
    told = runtime["EnvironmentVariables"]
    assert told["TIERWISE_POLICY__SSM"] == "/tierwise/dev/policy" and told[DELIBERATES] == "eu-central-1"
    assert not [value for value in told.values() if "resolve:secretsmanager" in str(value)]


def test_its_role_is_for_this_account_and_writes_no_policy(template: dict[str, Any]) -> None:
    (role,) = of(template, "AWS::IAM::Role")
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "bedrock-agentcore.amazonaws.com"}
    assert trusted["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    statements = [s for p in of(template, "AWS::IAM::Policy") for s in p["PolicyDocument"]["Statement"]]
    actions = {
        a for s in statements for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
    }
    assert {"bedrock:InvokeModel", "ecr:BatchGetImage", "logs:PutLogEvents"} <= actions
    assert not actions & {"ssm:PutParameter", "ssm:LabelParameterVersion", "iam:PassRole"}
    assert not any("*" in action for action in actions)


@pytest.mark.parametrize("image", ["tierwise-agents:1", "docker.io/library/x:1", IMAGE + "@sha256:x y"])
def test_an_image_elsewhere_is_refused(image: str) -> None:
    with pytest.raises(ValueError, match="is wanted"):
        hosting(DEV, image)


def of(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]
