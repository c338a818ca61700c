"""DynamoDB: decisions, agents' state, configuration and resource metrics.

Every table is encrypted with the customer key, can be restored to any second of the last weeks, and forgets an item
when its `expires` has passed. Capacity is on demand: an idle environment pays for storage only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.retention import removal
from infra.environments import Environment
from router_core.deployment import TABLES, TENANT_INDEX, resource_name

_TEXT: Final = dynamodb.AttributeType.STRING
_NUMBER: Final = dynamodb.AttributeType.NUMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Names and types of a table's key."""

    partition: tuple[str, dynamodb.AttributeType]
    sort: tuple[str, dynamodb.AttributeType] | None = None


KEYS: Final = {
    "decisions": Keys(partition=("request_id", _TEXT), sort=("kind", _TEXT)),
    "state": Keys(partition=("key", _TEXT)),
    "config": Keys(partition=("name", _TEXT), sort=("version", _NUMBER)),
    "metrics": Keys(partition=("target", _TEXT), sort=("time", _NUMBER)),
}


class Tables(Construct):
    """`by_name["decisions"]`, for every name in `deployment.TABLES`."""

    def __init__(self, scope: Construct, id: str, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self.by_name = {name: self._table(name, environment, key) for name in TABLES}
        self.by_name["decisions"].add_global_secondary_index(
            index_name=TENANT_INDEX,
            partition_key=dynamodb.Attribute(name="tenant", type=_TEXT),
            sort_key=dynamodb.Attribute(name="time", type=_NUMBER),
        )

    def _table(self, name: str, environment: Environment, key: kms.IKey) -> dynamodb.TableV2:
        keys = KEYS[name]
        return dynamodb.TableV2(
            self,
            name.title(),
            table_name=resource_name(environment.name, name),
            partition_key=_attribute(keys.partition),
            sort_key=_attribute(keys.sort) if keys.sort else None,
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.customer_managed_key(key),
            time_to_live_attribute="expires",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True,
                recovery_period_in_days=environment.retention.backups_days,
            ),
            deletion_protection=environment.keeps_data,
            removal_policy=removal(environment),
        )


def _attribute(key: tuple[str, dynamodb.AttributeType]) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=key[0], type=key[1])
