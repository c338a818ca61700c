"""The customer key that tables, buckets, streams, queues and secrets are encrypted with.

One key per environment: who may use it is stated once, and turning it off closes everything at once.
"""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.retention import removal
from infra.environments import Environment
from router_core.deployment import resource_name

_WRITERS = ("cloudwatch", "events", "sns", "s3", "delivery.logs")
"""Services that put data under this key by themselves: alarms and rules into topics and queues, logs into buckets."""


def customer_key(scope: Construct, id: str, environment: Environment) -> kms.Key:
    key = kms.Key(
        scope,
        id,
        alias=f"alias/{resource_name(environment.name, 'data')}",
        description=f"Data of tierwise {environment.name}",
        enable_key_rotation=True,
        removal_policy=removal(environment),
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="ServicesThatWriteForUs",
            principals=[iam.ServicePrincipal(f"{name}.amazonaws.com") for name in _WRITERS],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],  # in a key's own policy this is the key
            conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
        )
    )
    return key
