"""The shared cache: answers, sessions, rate limits. Redis protocol, TLS only, a generated token, isolated subnets.

With more than one node the others are replicas in other zones and take over by themselves. Losing it costs hits and
exact limits, never an answer, so it holds nothing that must be restored.
"""

from __future__ import annotations

from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.vpc import CACHE_PORT, ISOLATED, Vpc
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import resource_name

_TOKEN_LENGTH = 64


class Redis(Construct):
    """`url` without the token, and the secret that holds it."""

    def __init__(
        self, scope: Construct, id: str, environment: Environment, network: Vpc, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        self.secret = self._token(environment, key)
        nodes = environment.cache.nodes
        group = elasticache.CfnReplicationGroup(
            self,
            "Group",
            replication_group_id=resource_name(environment.name, "cache"),
            replication_group_description=f"Shared cache of tierwise {environment.name}",
            engine="valkey",
            engine_version="8.0",
            cache_node_type=environment.cache.node_type,
            num_cache_clusters=nodes,
            automatic_failover_enabled=nodes > 1,
            multi_az_enabled=nodes > 1,
            at_rest_encryption_enabled=True,
            kms_key_id=key.key_id,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            auth_token=self.secret.secret_value.unsafe_unwrap(),  # a reference; the value never enters a template
            auto_minor_version_upgrade=True,
            cache_subnet_group_name=self._subnets(environment, network).ref,
            security_group_ids=[network.cache.security_group_id],
            port=CACHE_PORT,
            snapshot_retention_limit=environment.cache.snapshots_days,
            preferred_maintenance_window="sun:03:00-sun:04:00",
            snapshot_window="01:00-02:00",
        )
        if nodes == 1:
            acknowledge(
                group, "AEC4", "One node is what this environment pays for; losing it costs hits only."
            )
        self.url = f"rediss://{group.attr_primary_end_point_address}:{CACHE_PORT}/0"

    def _token(self, environment: Environment, key: kms.IKey) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            "Token",
            secret_name=f"tierwise/{environment.name}/redis",
            description="Token of the shared cache",
            encryption_key=key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=_TOKEN_LENGTH, exclude_punctuation=True
            ),
        )
        acknowledge(
            secret,
            "SMG4",
            "The cache must be told a new token before any host uses it, which Secrets Manager's own rotation does not do; hosts "
            "fetch it when they start. Two groups alone reach the port.",
        )
        return secret

    def _subnets(self, environment: Environment, network: Vpc) -> elasticache.CfnSubnetGroup:
        return elasticache.CfnSubnetGroup(
            self,
            "Subnets",
            cache_subnet_group_name=resource_name(environment.name, "cache"),
            description="Isolated subnets: no way to or from the internet",
            subnet_ids=network.vpc.select_subnets(subnet_group_name=ISOLATED).subnet_ids,
        )
