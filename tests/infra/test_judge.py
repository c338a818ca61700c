"""Asynchronous requests on AWS: encrypted, bounded, alarmed; and who may talk to whom, as a matrix of which all else is absent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from infra.constructs.functions.grants import Grant
from infra.constructs.judge.permissions import storing, taking
from infra.constructs.judge.queues import FUNCTION_S
from infra.constructs.judge.tuning import FIRST, SCHEMA
from infra.constructs.vpc import CACHE_PORT, DATABASE_PORT, MODEL_PORT
from infra.environments import ENVIRONMENTS
from infra.sizing import JobsSize
from router_core import deployment
from router_core.deployment import ENVIRONMENTS as NAMES
from router_core.deployment import JOB_QUEUES, JOBS, MAX_RECEIVES, resource_name
from router_core.jobs.stages import QUEUES
from tests.infra.templates import Resource, Stack, Synthesis, listed

WORKERS, GATEWAYS, FUNCTIONS = "Workers of asynchronous requests", "The gateway service", "Lambda functions"
CACHE, DATABASE, NODES = "Redis", "History of asynchronous requests", "Nodes that serve models"
ENDPOINTS, WORLD = "Interface endpoints of AWS services", "0.0.0.0/0"
CALLERS = (FUNCTIONS, GATEWAYS, WORKERS)
WAYS = {
    *((caller, CACHE, CACHE_PORT) for caller in CALLERS),
    *((caller, NODES, MODEL_PORT) for caller in CALLERS),
    *((caller, DATABASE, DATABASE_PORT) for caller in (GATEWAYS, WORKERS)),
}
"""Who may call whom on which port; no other way into any group exists."""
PRIVATE = {(caller, ENDPOINTS, 443) for caller in (*CALLERS, NODES)}
"""Where AWS is reached privately."""


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def judge(name: str, synthesis: Synthesis) -> Stack:
    return synthesis.stack(name, "judge")


def rules(stack: Stack, direction: str) -> Iterator[tuple[str, Resource]]:
    """Every rule with the logical id of its group, wherever the template states it."""
    for group, properties in stack.of("EC2::SecurityGroup").items():
        for rule in properties.get(f"SecurityGroup{direction}", []):
            yield group, rule
    for rule in stack.of(f"EC2::SecurityGroup{direction}").values():
        yield rule["GroupId"]["Fn::GetAtt"][0], rule


def matrix(stack: Stack) -> set[tuple[str, str, int]]:
    """Source, destination and port of every way in; a way that is a range of ports is no port and fails here."""
    said = {
        group: properties["GroupDescription"] for group, properties in stack.of("EC2::SecurityGroup").items()
    }
    found = set()
    for group, rule in rules(stack, "Ingress"):
        assert rule["IpProtocol"] == "tcp" and rule["FromPort"] == rule["ToPort"], rule
        source = rule.get("CidrIp") or said[rule["SourceSecurityGroupId"]["Fn::GetAtt"][0]]
        found.add((source, said[group], rule["FromPort"]))
    return found


def test_the_network_lets_these_talk_and_nobody_else(name: str, synthesis: Synthesis) -> None:
    private = bool(ENVIRONMENTS[name].network.interface_endpoints)
    assert matrix(synthesis.stack(name, "network")) == (WAYS | PRIVATE if private else WAYS)


def test_no_other_stack_opens_a_way_to_the_database_or_the_workers(name: str, synthesis: Synthesis) -> None:
    for what, stack in synthesis.stacks(name).items():
        for kind in ("Ingress", "Egress"):
            for rule in stack.of(f"EC2::SecurityGroup{kind}").values():
                opened = json.dumps([rule.get("GroupId"), rule.get("SourceSecurityGroupId")])
                touched = "Database" in opened or "Workers" in opened
                assert what == "network" or not touched, (what, rule)


def test_workers_get_out_to_these_ports_and_the_database_nowhere(name: str, synthesis: Synthesis) -> None:
    network = synthesis.stack(name, "network")
    said = {
        group: properties["GroupDescription"]
        for group, properties in network.of("EC2::SecurityGroup").items()
    }
    out: dict[str, set[tuple[str, Any]]] = {}
    for group, rule in rules(network, "Egress"):
        target = rule.get("CidrIp") or said[rule["DestinationSecurityGroupId"]["Fn::GetAtt"][0]]
        out.setdefault(said[group], set()).add((target, rule.get("FromPort")))
    assert out[WORKERS] == {(CACHE, CACHE_PORT), (DATABASE, DATABASE_PORT), (NODES, MODEL_PORT), (WORLD, 443)}
    assert [target for target, _ in out[DATABASE]] == ["255.255.255.255/32"]


def test_there_is_a_topic_a_queue_and_a_place_for_the_dead_of_each_queue(judge: Stack, name: str) -> None:
    assert JOB_QUEUES == QUEUES
    topics = {topic["TopicName"] for topic in judge.of("SNS::Topic").values()}
    queues = {queue["QueueName"]: queue for queue in judge.of("SQS::Queue").values()}
    wanted = {resource_name(name, f"{JOBS}-{queue}") for queue in JOB_QUEUES}
    assert topics == wanted
    assert set(queues) == wanted | {f"{queue}-dlq" for queue in wanted}
    for queue in wanted:
        assert queues[queue]["RedrivePolicy"]["maxReceiveCount"] == MAX_RECEIVES
        assert queues[queue]["VisibilityTimeout"] >= 6 * FUNCTION_S
        assert queues[queue]["MaximumMessageSize"] == 256 * 1024
    for resource in (*judge.of("SNS::Topic").values(), *queues.values()):
        assert "KmsMasterKeyId" in resource
    for subscription in judge.of("SNS::Subscription").values():
        assert (subscription["Protocol"], subscription["RawMessageDelivery"]) == ("sqs", True)


def test_nothing_of_it_is_spoken_without_tls(judge: Stack) -> None:
    policies = [*judge.of("SQS::QueuePolicy").values(), *judge.of("SNS::TopicPolicy").values()]
    assert len(policies) == 9
    for policy in policies:
        denied = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [one.get("Condition") for one in denied]


def test_somebody_is_told_of_dead_messages_and_of_old_ones(judge: Stack) -> None:
    alarms = judge.of("CloudWatch::Alarm").values()
    ours = [alarm for alarm in alarms if "alarms" in json.dumps(alarm.get("AlarmActions"))]
    kinds = [alarm["MetricName"] for alarm in ours]
    assert kinds.count("ApproximateNumberOfMessagesVisible") == len(JOB_QUEUES)
    assert kinds.count("ApproximateAgeOfOldestMessage") == len(JOB_QUEUES)


def test_the_database_is_encrypted_isolated_and_knows_no_passwords_of_ours(judge: Stack, name: str) -> None:
    database, environment = judge.one("RDS::DBInstance"), ENVIRONMENTS[name]
    assert database["Engine"] == "postgres"
    assert database["StorageEncrypted"] and database["EnableIAMDatabaseAuthentication"]
    assert not database["PubliclyAccessible"] and "KmsKeyId" in database
    assert database["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    assert database["ManageMasterUserPassword"] and "MasterUserPassword" not in database
    assert database["MultiAZ"] is environment.upper.jobs.multi_az
    assert database["DeletionProtection"] is environment.keeps_data
    assert database["Port"] == str(DATABASE_PORT)
    parameters = judge.one("RDS::DBParameterGroup")["Parameters"]
    assert (parameters["rds.force_ssl"], parameters["log_parameter_max_length"]) == ("1", "0")
    subnets = judge.one("RDS::DBSubnetGroup")["SubnetIds"]
    assert len(subnets) == len(environment.zones)
    assert all("isolated" in json.dumps(subnet) for subnet in subnets)


def test_production_survives_a_zone() -> None:
    assert ENVIRONMENTS["prod"].upper.jobs.multi_az
    assert ENVIRONMENTS["prod"].upper.jobs.min_workers >= 2


def test_workers_are_functions_that_name_what_failed_or_a_service_that_follows_the_age(
    judge: Stack, name: str
) -> None:
    stages = {
        function["Environment"]["Variables"][deployment.STAGE]
        for function in judge.of("Lambda::Function").values()
    }
    mappings = list(judge.of("Lambda::EventSourceMapping").values())
    if ENVIRONMENTS[name].upper.jobs.workers == "functions":
        assert stages == set(deployment.JOB_FUNCTIONS)
        assert len(mappings) == len(JOB_QUEUES)
        assert all(one["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for one in mappings)
        assert judge.of("ECS::Service") == {}
        return
    assert (stages, mappings) == ({f"{JOBS}-{deployment.RELAY}"}, [])
    container = judge.one("ECS::TaskDefinition")["ContainerDefinitions"][0]
    assert container["Command"] == ["worker", *JOB_QUEUES]
    assert container["ReadonlyRootFilesystem"] and container["StopTimeout"] <= 120
    ages = {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for alarm in judge.of("CloudWatch::Alarm").values()
        if "Age" in json.dumps(alarm.get("AlarmActions", []))
    }
    assert len(ages) == len(JOB_QUEUES)


def test_messages_are_published_also_when_nobody_is_left_who_stored_them(judge: Stack) -> None:
    rule = judge.one("Events::Rule")
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert "Relay" in json.dumps(rule["Targets"])


def test_what_may_be_changed_is_checked_rolled_out_slowly_and_taken_back(judge: Stack, name: str) -> None:
    (validator,) = judge.one("AppConfig::ConfigurationProfile")["Validators"]
    assert validator["Type"] == "JSON_SCHEMA"
    assert json.loads(validator["Content"]) == json.loads(SCHEMA.read_text())
    assert judge.one("AppConfig::HostedConfigurationVersion")["Content"] == FIRST
    jsonschema.validate(json.loads(FIRST), json.loads(SCHEMA.read_text()))
    strategy = judge.one("AppConfig::DeploymentStrategy")
    assert strategy["GrowthType"] == "LINEAR" and strategy["GrowthFactor"] < 100
    assert strategy["FinalBakeTimeInMinutes"] > 0
    monitors = judge.one("AppConfig::Environment")["Monitors"]
    assert len(monitors) == len(JOB_QUEUES)


def test_hosts_are_told_where_it_is_by_settings(judge: Stack, name: str) -> None:
    settings = {one["Name"]: one["Value"] for one in judge.of("SSM::Parameter").values()}
    prefix = f"{deployment.settings_prefix(name)}/{JOBS}/"
    assert {key.removeprefix(prefix) for key in settings} == {"url", "iam", "sns", "appconfig", "key"}
    assert settings[f"{prefix}iam"] == "true"
    assert settings[f"{prefix}sns"].endswith(f":{resource_name(name, JOBS)}")
    url = json.dumps(settings[f"{prefix}url"])
    assert f"postgresql://{deployment.JOBS_USER}@" in url and "Endpoint.Address" in url


def test_a_worker_takes_from_its_own_queue_only(judge: Stack, name: str) -> None:
    for queue in JOB_QUEUES:
        (mine,) = taking(ENVIRONMENTS[name], (queue,))
        assert mine.resources == (f"{_arn(name)}:{resource_name(name, f'{JOBS}-{queue}')}",)
    taken = [
        listed(statement["Resource"])
        for _, statement in judge.statements()
        if "sqs:ReceiveMessage" in listed(statement["Action"])
    ]
    wanted = {tuple(taking(ENVIRONMENTS[name], (queue,))[0].resources) for queue in JOB_QUEUES}
    if ENVIRONMENTS[name].upper.jobs.workers == "functions":
        assert {tuple(one) for one in taken} == wanted
    else:
        assert [len(one) for one in taken] == [len(JOB_QUEUES)]


def test_grants_are_the_calls_that_the_code_makes() -> None:
    environment = ENVIRONMENTS["prod"]
    granted = {action for row in (*storing(environment), *taking(environment)) for action in row.actions}
    assert granted == {
        "sns:Publish", "sqs:GetQueueUrl", "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "rds-db:connect",
        "appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration",
    }  # fmt: skip
    assert all(isinstance(row, Grant) for row in storing(environment))


@pytest.mark.parametrize(
    "wrong",
    [{"workers": "people"}, {"min_workers": 5, "max_workers": 2}, {"storage_gib": 5}, {"target_age_s": 0}],
)
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="environment: "):
        JobsSize(**wrong)


def _arn(name: str) -> str:
    environment = ENVIRONMENTS[name]
    return f"arn:aws:sqs:{environment.region}:{environment.account}"
