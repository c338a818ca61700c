"""What gateways and workers may do with asynchronous requests, beside what a request itself needs.

A gateway stores and publishes; a worker also takes from its own queue. Both bury what is dead, since both may be the one who
hands over what the outbox holds.
"""

from __future__ import annotations

from infra.constructs.functions.grants import Grant
from infra.environments import Environment
from infra.naming import arn
from router_core.deployment import (
    APPCONFIG,
    DEAD_LETTERS,
    JOB_QUEUES,
    JOBS,
    JOBS_USER,
    RELAY,
    resource_name,
)


def storing(environment: Environment) -> tuple[Grant, ...]:
    """Keep jobs, and hand their messages over."""
    names = [resource_name(environment.name, f"{JOBS}-{name}") for name in JOB_QUEUES]
    return (
        Grant(actions=("sns:Publish",), resources=tuple(arn(environment, "sns", name) for name in names)),
        Grant(
            actions=("sqs:GetQueueUrl", "sqs:SendMessage"),
            resources=tuple(arn(environment, "sqs", f"{name}{DEAD_LETTERS}") for name in names),
        ),
        Grant(
            actions=("rds-db:connect",),
            resources=(arn(environment, "rds-db", f"dbuser:*/{JOBS_USER}"),),
            reason="A database's id in such an address is known when it is there; the user is ours alone.",
        ),
        Grant(
            actions=("appconfig:GetLatestConfiguration", "appconfig:StartConfigurationSession"),
            resources=(arn(environment, "appconfig", "application/*/environment/*/configuration/*"),),
            reason=f"AppConfig names {APPCONFIG} by ids that it draws itself.",
        ),
    )


def taking(environment: Environment, queues: tuple[str, ...] = JOB_QUEUES) -> tuple[Grant, ...]:
    """Take from these queues."""
    names = [resource_name(environment.name, f"{JOBS}-{name}") for name in queues]
    actions = (
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ReceiveMessage",
    )
    return (
        Grant(
            actions=tuple(f"sqs:{action}" for action in actions),
            resources=tuple(arn(environment, "sqs", name) for name in names),
        ),
    )


def of_function(environment: Environment, name: str, path: tuple[Grant, ...]) -> tuple[Grant, ...]:
    """The rows of one job function; `path` is what answering a request needs."""
    if name == RELAY:
        return (*path, *storing(environment))
    return (*path, *storing(environment), *taking(environment, (name,)))
