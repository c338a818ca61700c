"""The functions: one per stage, each with its own role that may do what its code does, traced, bounded and told where
things are by names that the settings know."""

from __future__ import annotations

import json
import re

import pytest

from gateway.settings.environment import overlay
from gateway.settings.reading import read
from gateway.settings.schema import Settings
from infra.constructs.functions.grants import Grant, grants, of
from infra.environments import ENVIRONMENTS
from router_core import deployment
from router_core.deployment import resource_name
from router_core.policy.document import Policy
from router_core.policy.parse import parse, to_document
from router_core.stages import NAMES, STAGES
from tests.infra.templates import Resource, Stack, Synthesis, listed

EVERY = (*NAMES, *deployment.FUNCTIONS)
BOUNDLESS = {
    "cloudwatch:GetMetricData", "servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota",
    "xray:PutTelemetryRecords", "xray:PutTraceSegments",
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
}  # fmt: skip
"""Actions that AWS defines without a resource; any other on `*` is a mistake."""


@pytest.fixture(params=deployment.ENVIRONMENTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def agents(name: str, synthesis: Synthesis) -> Stack:
    return synthesis.stack(name, "agents")


def functions(agents: Stack) -> dict[str, Resource]:
    """By stage."""
    return {
        function["Environment"]["Variables"][deployment.STAGE]: function
        for function in agents.of("Lambda::Function").values()
    }


def statements(agents: Stack, stage: str) -> list[Resource]:
    """What the role of a stage's function may do."""
    role = functions(agents)[stage]["Role"]["Fn::GetAtt"][0]
    return [
        statement
        for policy in agents.of("IAM::Policy").values()
        if {"Ref": role} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def actions(agents: Stack, stage: str) -> set[str]:
    return {action for statement in statements(agents, stage) for action in listed(statement["Action"])}


def test_there_is_a_function_per_stage_and_for_what_stands_beside_them(name: str, agents: Stack) -> None:
    found = functions(agents)
    assert set(found) == set(EVERY)
    assert {f["FunctionName"] for f in found.values()} == {resource_name(name, stage) for stage in EVERY}


def test_all_run_the_same_code_on_arm_and_are_traced(agents: Stack) -> None:
    found = list(functions(agents).values())
    assert len({json.dumps(function["Code"], sort_keys=True) for function in found}) == 1
    for function in found:
        assert function["Architectures"] == ["arm64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["Handler"] == "gateway.hosts.aws_lambda.handler"


def test_a_function_may_run_as_long_as_its_stage_and_no_longer(agents: Stack) -> None:
    found = functions(agents)
    assert {stage.name: found[stage.name]["Timeout"] for stage in STAGES} == {
        stage.name: stage.timeout_s for stage in STAGES
    }
    assert found["api"]["Timeout"] == 29  # API Gateway waits no longer


def test_every_function_has_a_role_of_its_own_for_lambda_alone(agents: Stack) -> None:
    roles = [function["Role"]["Fn::GetAtt"][0] for function in functions(agents).values()]
    assert len(set(roles)) == len(EVERY)
    for role in agents.of("IAM::Role").values():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert "ManagedPolicyArns" not in role


def test_no_function_may_do_anything_it_was_not_given_by_name(agents: Stack) -> None:
    seen = 0
    for where, statement in agents.statements():
        for action in listed(statement["Action"]):
            seen += 1
            assert "*" not in action, f"{where}: {action}"
            if "*" in listed(statement["Resource"]):
                assert action in BOUNDLESS, f"{where}: {action} on everything"
    assert seen > 100


def test_only_the_stages_that_call_models_may(agents: Stack) -> None:
    callers = {stage for stage in EVERY if "bedrock:InvokeModel" in actions(agents, stage)}
    assert callers == {"execute", "api"}


def test_only_who_records_may_write_decisions(name: str, agents: Stack) -> None:
    table = f"table/{resource_name(name, 'decisions')}"
    writers = {
        stage
        for stage in EVERY
        for statement in statements(agents, stage)
        if "dynamodb:PutItem" in listed(statement["Action"]) and table in json.dumps(statement["Resource"])
    }
    assert writers == {"monitor", "api"}


def test_the_router_reads_its_configuration_and_what_travels_beside_a_request(agents: Stack) -> None:
    """It decides from what it is given: no table, no secret, no model."""
    services = {action.split(":")[0] for action in actions(agents, "router")}
    assert services == {"ssm", "s3", "kms", "logs", "xray", "ec2", "sqs"}


def test_secrets_and_parameters_of_other_environments_are_out_of_reach(name: str, agents: Stack) -> None:
    others = [other for other in deployment.ENVIRONMENTS if other != name]
    for where, statement in agents.statements():
        for resource in map(json.dumps, listed(statement["Resource"])):
            assert not any(re.search(rf"tierwise[-/]{other}[-/]", resource) for other in others), where


def test_metrics_go_through_logs_and_no_function_may_write_them_itself(agents: Stack) -> None:
    assert not [stage for stage in EVERY if "cloudwatch:PutMetricData" in actions(agents, stage)]


def test_logs_end_and_failed_asynchronous_calls_are_kept(name: str, agents: Stack) -> None:
    logs = {log["LogGroupName"]: log["RetentionInDays"] for log in agents.of("Logs::LogGroup").values()}
    days = ENVIRONMENTS[name].retention.logs_days
    assert logs == {f"/aws/lambda/{resource_name(name, stage)}": days for stage in EVERY}
    queue = agents.one("SQS::Queue")
    assert "KmsMasterKeyId" in queue
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    for function in functions(agents).values():
        assert "DeadLetterConfig" in function


def test_functions_run_in_private_subnets(name: str, agents: Stack) -> None:
    for function in functions(agents).values():
        subnets = function["VpcConfig"]["SubnetIds"]
        assert len(subnets) == len(ENVIRONMENTS[name].zones)
        assert all("private" in json.dumps(subnet) for subnet in subnets)


def test_what_callers_wait_for_is_warm(name: str, agents: Stack) -> None:
    environment = ENVIRONMENTS[name]
    warm = {
        alias["FunctionName"]["Ref"]: alias["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"]
        for alias in agents.of("Lambda::Alias").values()
        if "ProvisionedConcurrencyConfig" in alias
    }
    stages = {
        agents.resources[function]["Properties"]["Environment"]["Variables"][deployment.STAGE]: count
        for function, count in warm.items()
    }
    expected = {"api", "authorizer"} | (set(NAMES) if environment.workflow == "state-machine" else set())
    assert stages == (
        dict.fromkeys(expected, environment.functions.provisioned)
        if environment.functions.provisioned
        else {}
    )
    assert {alias["Name"] for alias in agents.of("Lambda::Alias").values()} == {"live"}


def test_only_the_api_is_held_to_a_share_of_the_account(name: str, agents: Stack) -> None:
    reserved = {
        stage: function["ReservedConcurrentExecutions"]
        for stage, function in functions(agents).items()
        if "ReservedConcurrentExecutions" in function
    }
    share = ENVIRONMENTS[name].functions.reserved
    assert reserved == ({} if share is None else {"api": share})


def test_the_settings_take_every_variable_and_parameter(name: str, agents: Stack) -> None:
    """A variable that names nothing is an error of the settings; so a function that starts here starts there."""
    for stage, function in functions(agents).items():
        variables = {
            key: value
            if isinstance(value, str)
            else "rediss://cache:6380/0"
            if key.endswith("URL")
            else "aws-secret:arn:aws:secretsmanager:eu-central-1:123456789012:secret:any"
            for key, value in function["Environment"]["Variables"].items()
        }
        settings = read(Settings, overlay({"targets": targets(name, agents)}, variables))
        assert settings.stores.decisions == resource_name(name, "decisions"), stage
        assert settings.policy.ssm == deployment.policy_parameter(name)
        assert settings.events.kinesis == resource_name(name, deployment.STREAM)
        assert settings.redis.configured
        assert {target.kind for target in settings.targets} >= {"onnx", "bedrock"}


def targets(name: str, agents: Stack) -> object:
    path = f"{deployment.settings_prefix(name)}/targets"
    values = [p["Value"] for p in agents.of("SSM::Parameter").values() if p["Name"] == path]
    return json.loads(values[0])


def test_the_first_policy_is_the_packaged_one_and_has_room_to_grow(name: str, agents: Stack) -> None:
    (parameter,) = [
        p for p in agents.of("SSM::Parameter").values() if p["Name"] == deployment.policy_parameter(name)
    ]
    assert parameter["Tier"] == "Advanced"
    assert to_document(parse(parameter["Value"])) == to_document(Policy())


def test_the_rollout_begins_with_no_share(name: str, agents: Stack) -> None:
    values = {p["Name"]: p["Value"] for p in agents.of("SSM::Parameter").values()}
    assert json.loads(values[deployment.rollout_parameter(name)]) == {"share": 0}


def test_a_stage_that_joins_later_gets_what_every_stage_needs() -> None:
    table = grants(ENVIRONMENTS["dev"], "arn:aws:kms:eu-central-1:123456789012:key/any")
    needed = of("judge", table)
    assert needed
    assert all(row in of("router", table) for row in needed)


def test_a_permission_without_a_name_or_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="one by one"):
        Grant(actions=("dynamodb:*",), resources=("arn:aws:dynamodb:::table/one",))
    with pytest.raises(ValueError, match="needs a reason"):
        Grant(actions=("dynamodb:GetItem",), resources=("*",))
