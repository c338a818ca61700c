"""Grants follow the code: whatever call of AWS an adapter makes, some function may make it, or it is not a function's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from infra.constructs.edge.operated import operating, proposing
from infra.constructs.functions.grants import Grant, grants
from infra.constructs.functions.settings import own_variables
from infra.constructs.judge.permissions import storing, taking
from infra.environments import ENVIRONMENTS
from router_core.deployment import DELIBERATES, policy_parameter, rollout_parameter
from tests.architecture.code import ROOT

SERVICES = {
    "appconfigdata": "appconfig",
    "bedrock_agentcore": "bedrock-agentcore",
    "stepfunctions": "states",
    "service_quotas": "servicequotas",
}
"""Where the permission's name is not the client's."""
SAME = {
    "dynamodb:TransactWriteItems": "dynamodb:PutItem",  # a transaction needs what each of its writes needs
    "s3:HeadObject": "s3:GetObject",
    "s3:GeneratePresignedUrl": "s3:GetObject",
    "sns:PublishBatch": "sns:Publish",
    "servicequotas:GetAwsDefaultServiceQuota": "servicequotas:GetAWSDefaultServiceQuota",
}
NOT_A_FUNCTIONS = {
    "bedrock-agentcore:CreateEvent": "agents on AgentCore keep proposals in its memory (docs/agentcore.md)",
    "bedrock-agentcore:DeleteEvent": "the same",
    "bedrock-agentcore:ListEvents": "the same",
    "ecs:DescribeServices": "the gateway keeps models on nodes (`edge/operated.py`)",
    "ecs:UpdateService": "the same",
    "pricing:GetProducts": "operators renew prices",
    "s3:ListObjectsV2": "operators and devices list models",
    "ssm:GetParameterHistory": "operators look at the policy's past",
    "ssm:LabelParameterVersion": "operators promote and roll back",
    "ssm:UnlabelParameterVersion": "operators make room for versions",
}
READING = ("ssm:GetParameter", "ssm:GetParameterHistory", "ssm:GetParametersByPath")
"""Calls of Parameter Store that write nothing."""
LOCAL = ("close", "exceptions", "meta", "can_paginate")
_CLIENT = re.compile(r"from types_boto3_(\w+)(?:\.client)? import \w+Client")
_CALL = re.compile(r"\bself\._client\.(\w+)\(")


def calls() -> dict[str, str]:
    """Permission by the adapter that needs it."""
    found = {}
    for path in sorted(Path(ROOT, "router_core", "adapters").rglob("*.py")):
        text = path.read_text()
        services = set(_CLIENT.findall(text))
        if len(services) != 1:
            continue
        (service,) = services
        for method in _CALL.findall(text):
            if method not in LOCAL:
                action = "".join(part.title() for part in method.split("_"))
                found[f"{SERVICES.get(service, service)}:{action}"] = path.name
    return found


def test_every_call_of_an_adapter_is_granted_or_is_an_operators() -> None:
    # The switches that add calls.
    steps = replace(ENVIRONMENTS["dev"], workflow="state-machine", signals=True)
    table = grants(steps, "arn:aws:kms:eu-central-1:123456789012:key/any")
    jobs = (*storing(steps), *taking(steps))
    granted = {action for rows in (*table.values(), jobs) for row in rows for action in row.actions}
    needed = {SAME.get(action, action): adapter for action, adapter in calls().items()}
    assert len(needed) > 15
    missing = {action: adapter for action, adapter in needed.items() if action not in granted}
    assert {action: adapter for action, adapter in missing.items() if action not in NOT_A_FUNCTIONS} == {}
    assert set(NOT_A_FUNCTIONS) <= set(missing)


def test_one_function_may_write_one_parameter_the_rollout() -> None:
    for environment in ENVIRONMENTS.values():
        table = grants(environment, "arn:aws:kms:eu-central-1:123456789012:key/any")
        writing = [
            (name, row.resources)
            for name, rows in table.items()
            for row in rows
            if "ssm:PutParameter" in row.actions
        ]
        ((name, (address,)),) = writing
        assert name == "analytics"
        assert address.endswith(f":parameter{rollout_parameter(environment.name)}")


def test_a_gateway_writes_the_policy_only_where_proposals_may_act_and_nothing_but_the_policy() -> None:
    for environment in ENVIRONMENTS.values():
        assert not environment.proposals and proposing(environment) == ()
        (written,) = [row.resources for row in operating(environment) if "ssm:PutParameter" in row.actions]
        assert [address.split(":parameter")[1] for address in written] == [
            rollout_parameter(environment.name)
        ]
    dev = replace(ENVIRONMENTS["dev"], proposals=True)
    granted = {
        action: {address.split(":parameter")[1] for address in row.resources}
        for row in proposing(dev)
        for action in row.actions
    }
    policy, rollout = policy_parameter("dev"), rollout_parameter("dev")
    asked = {action: {policy} for action in calls() if action.startswith("ssm:") and action not in READING}
    assert granted == {**asked, "ssm:GetParameterHistory": {policy, rollout}}


def test_requests_are_shown_to_no_service_where_that_was_not_asked_for() -> None:
    for environment in ENVIRONMENTS.values():
        table = grants(environment, "arn:aws:kms:eu-central-1:123456789012:key/any")
        granted = {action.split(":")[0] for rows in table.values() for row in rows for action in row.actions}
        assert not environment.signals
        assert granted.isdisjoint({"comprehend", "textract"})


def test_models_are_asked_about_decisions_only_where_that_was_asked_for_and_only_those_three() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/any"
    for environment in ENVIRONMENTS.values():
        assert not environment.deliberation
        assert not _asked(grants(environment, key)["router"])
        assert DELIBERATES not in own_variables(environment, "router")
    thinks = replace(ENVIRONMENTS["dev"], deliberation=True)
    addresses = _asked(grants(thinks, key)["router"])
    models = {f"amazon.nova-{role}-v1:0" for role in ("micro", "lite", "pro")}
    assert {address.split("/")[1].removeprefix("eu.") for address in addresses} == models
    assert not any("*" in address.split("/")[1] for address in addresses)
    told = own_variables(thinks, "router")
    assert told[DELIBERATES] == "eu-central-1"
    assert {told[f"TIERWISE_DELIBERATION__{role}"] for role in ("MICRO", "LITE", "PRO")} == {
        f"eu.{model}" for model in models
    }
    assert not own_variables(thinks, "execute")


def _asked(rows: tuple[Grant, ...]) -> set[str]:
    """What Bedrock may be asked for by these rows."""
    return {
        address
        for row in rows
        for address in row.resources
        if any(action.startswith("bedrock:Invoke") for action in row.actions)
    }
