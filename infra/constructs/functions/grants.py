"""What each function may do: one row per permission, by name of action and address of resource.

A function that is not listed may do nothing but log, trace and reach the network. An address that ends in a wildcard
says why beside it, and a row without a reason is refused before it becomes a role.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.constructs.buckets import PAYLOADS
from infra.constructs.functions.grant import Grant
from infra.constructs.functions.model_grants import asked_models, served_models
from infra.environments import Environment
from infra.naming import arn, bucket_name
from router_core import deployment
from router_core.deployment import resource_name

__all__ = ["Grant", "grants", "of"]
READ = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
WRITE = (
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)


def grants(environment: Environment, key_arn: str) -> dict[str, tuple[Grant, ...]]:
    """Rows by function. A function of the stage table that has no row here of its own gets what every stage needs."""
    every_stage = (*_configuration(environment), _key(key_arn), _payloads(environment))
    own: dict[str, tuple[Grant, ...]] = {
        "context": (
            _secrets(environment),
            _table(environment, "state", READ + WRITE),
            *_signals(environment),
        ),
        "resource": (
            _secrets(environment),
            _table(environment, "metrics", READ),
            _table(environment, "state", READ + WRITE),
            _sensing(),
        ),
        "router": (*asked_models(environment), *_spent_on_asking(environment)),
        "cache": (_secrets(environment),),
        "execute": (
            *served_models(environment),
            _secrets(environment),
            _table(environment, "state", READ + WRITE),
        ),
        "monitor": (*_records(environment), _secrets(environment)),
    }
    whole_path = tuple(grant for rows in own.values() for grant in rows)
    hosts = {
        "api": (
            *every_stage,
            *whole_path,
            _index(environment),
            _device_models(environment),
            *_workflow(environment),
        ),
        "authorizer": (*_configuration(environment), _key(key_arn), _secrets(environment)),
        "analytics": (
            _stream_reader(environment),
            _key(key_arn),
            *_analytics(environment),
            *_canary(environment),
        ),
        "rotation": (_key(key_arn), _rotation(environment)),
        "listener": (
            *_configuration(environment),
            _key(key_arn),
            _table(environment, "state", READ + WRITE),
        ),
    }
    return {name: (*every_stage, *rows) for name, rows in own.items()} | hosts | {"": every_stage}


def of(function: str, table: Mapping[str, tuple[Grant, ...]]) -> tuple[Grant, ...]:
    """The rows of one function; a stage that is new to the table gets what every stage needs."""
    return table.get(function, table[""])


def _table(environment: Environment, name: str, actions: tuple[str, ...]) -> Grant:
    return Grant(
        actions=actions,
        resources=(arn(environment, "dynamodb", f"table/{resource_name(environment.name, name)}"),),
    )


def _index(environment: Environment) -> Grant:
    table = resource_name(environment.name, "decisions")
    return Grant(
        actions=("dynamodb:Query",),
        resources=(arn(environment, "dynamodb", f"table/{table}/index/{deployment.TENANT_INDEX}"),),
    )


def _key(key_arn: str) -> Grant:
    return Grant(actions=("kms:Decrypt", "kms:GenerateDataKey"), resources=(key_arn,))


def _payloads(environment: Environment) -> Grant:
    bucket = bucket_name(environment, deployment.ARCHIVE_BUCKET)
    return Grant(
        actions=("s3:GetObject", "s3:PutObject"),
        resources=(f"arn:aws:s3:::{bucket}/{PAYLOADS}*",),
        reason="Objects are named by the hash of their contents.",
    )


def _archived(environment: Environment) -> Grant:
    """Records that are too large for an item of the decisions table."""
    bucket = bucket_name(environment, deployment.ARCHIVE_BUCKET)
    return Grant(
        actions=("s3:GetObject", "s3:PutObject"),
        resources=(f"arn:aws:s3:::{bucket}/{deployment.ARCHIVED}*",),
        reason="Objects are named by the hash of their contents.",
    )


def _device_models(environment: Environment) -> Grant:
    """A device fetches its models by addresses that the API signs."""
    return Grant(
        actions=("s3:GetObject",),
        resources=(f"arn:aws:s3:::{bucket_name(environment, deployment.MODELS_BUCKET)}/*",),
        reason="Objects are named by model and version.",
    )


def _configuration(environment: Environment) -> tuple[Grant, ...]:
    """The policy with its labels, the rollout, and every setting."""
    name = environment.name
    exact = (deployment.policy_parameter(name), deployment.rollout_parameter(name))
    settings = deployment.settings_prefix(name)
    addresses = tuple(arn(environment, "ssm", f"parameter{path}") for path in (*exact, settings))
    return (
        Grant(
            actions=("ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"), resources=addresses
        ),
        Grant(
            actions=("ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"),
            resources=(arn(environment, "ssm", f"parameter{settings}/*"),),
            reason="Each setting is a parameter of its own; an operator may add one.",
        ),
    )


def _secrets(environment: Environment) -> Grant:
    return Grant(
        actions=("secretsmanager:GetSecretValue",),
        resources=(arn(environment, "secretsmanager", f"secret:tierwise/{environment.name}/*"),),
        reason="Secrets Manager adds six characters to a secret's name; settings name keys of targets and callers.",
    )


def _spent_on_asking(environment: Environment) -> tuple[Grant, ...]:
    """The ledger that caps what asking about decisions costs."""
    return (_table(environment, "state", READ + WRITE),) if environment.deliberation else ()


def _sensing() -> Grant:
    """What the resource agent reads about the load of targets."""
    return Grant(
        actions=(
            "cloudwatch:GetMetricData",
            "servicequotas:GetAWSDefaultServiceQuota",
            "servicequotas:GetServiceQuota",
        ),
        resources=("*",),
        reason="The actions have no resource that a policy could name.",
    )


def _signals(environment: Environment) -> tuple[Grant, ...]:
    """Services that are shown requests: only in an environment that was made for it."""
    if not environment.signals:
        return ()
    actions = (
        "comprehend:DetectEntities",
        "comprehend:DetectPiiEntities",
        "comprehend:DetectSentiment",
        "textract:DetectDocumentText",
    )
    return (
        Grant(
            actions=actions,
            resources=("*",),
            reason="The actions have no resource that a policy could name.",
        ),
    )


def _bus(environment: Environment) -> Grant:
    bus = arn(environment, "events", f"event-bus/{resource_name(environment.name, deployment.EVENT_BUS)}")
    return Grant(actions=("events:PutEvents",), resources=(bus,))


def _stream(environment: Environment, actions: tuple[str, ...]) -> Grant:
    stream = arn(environment, "kinesis", f"stream/{resource_name(environment.name, deployment.STREAM)}")
    return Grant(actions=actions, resources=(stream,))


def _records(environment: Environment) -> tuple[Grant, ...]:
    return (
        _table(environment, "decisions", READ + WRITE),
        _archived(environment),
        _table(environment, "metrics", WRITE),
        _table(environment, "state", READ + WRITE),
        _stream(environment, ("kinesis:PutRecord", "kinesis:PutRecords")),
        _bus(environment),
    )


def _workflow(environment: Environment) -> tuple[Grant, ...]:
    """Asynchronous requests always; to wait for a run only where that is how requests are answered."""
    later = Grant(actions=("states:StartExecution",), resources=(_machine(environment, deployment.MACHINE),))
    if environment.workflow != "state-machine":
        return (later,)
    return (
        later,
        Grant(
            actions=("states:StartSyncExecution",),
            resources=(_machine(environment, deployment.SYNC_MACHINE),),
        ),
    )


def _machine(environment: Environment, name: str) -> str:
    return arn(environment, "states", f"stateMachine:{resource_name(environment.name, name)}")


def _stream_reader(environment: Environment) -> Grant:
    actions = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    return _stream(environment, tuple(f"kinesis:{action}" for action in actions))


def _analytics(environment: Environment) -> tuple[Grant, ...]:
    dead_letters = arn(environment, "sqs", resource_name(environment.name, "events-dlq"))
    return (
        _table(environment, "metrics", READ + WRITE),
        _table(environment, "state", READ + WRITE),
        _bus(environment),
        Grant(actions=("sqs:SendMessage",), resources=(dead_letters,)),
    )


def _canary(environment: Environment) -> tuple[Grant, ...]:
    """To know the canary that runs, and to take its share away when it does harm: no label moves for that, and the policy
    itself stays read-only."""
    policy, rollout = (
        arn(environment, "ssm", f"parameter{path(environment.name)}")
        for path in (deployment.policy_parameter, deployment.rollout_parameter)
    )
    return (
        Grant(actions=("ssm:GetParameter",), resources=(policy, rollout)),
        Grant(actions=("ssm:PutParameter",), resources=(rollout,)),
    )


def _rotation(environment: Environment) -> Grant:
    return Grant(
        actions=(
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
        ),
        resources=(arn(environment, "secretsmanager", f"secret:tierwise/{environment.name}/keys/*"),),
        reason="Secrets Manager adds six characters to a secret's name; a key joins by a setting.",
    )
