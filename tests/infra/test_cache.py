"""The shared cache: TLS and a token, isolated, and not in one zone where it matters."""

from __future__ import annotations

import json

import pytest

from infra.constructs.vpc import CACHE_PORT
from infra.environments import ENVIRONMENTS
from router_core.deployment import ENVIRONMENTS as NAMES
from tests.infra.templates import Resource, Synthesis


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def group(name: str, synthesis: Synthesis) -> Resource:
    return synthesis.stack(name, "cache").one("ElastiCache::ReplicationGroup")


def test_it_is_encrypted_on_the_way_and_at_rest(group: Resource) -> None:
    assert group["TransitEncryptionEnabled"] is True
    assert group["TransitEncryptionMode"] == "required"
    assert group["AtRestEncryptionEnabled"] is True
    assert "KmsKeyId" in group
    assert group["Port"] == CACHE_PORT


def test_its_token_is_generated_in_the_account_and_only_referred_to(
    name: str, group: Resource, synthesis: Synthesis
) -> None:
    secret = synthesis.stack(name, "cache").one("SecretsManager::Secret")
    assert secret["Name"] == f"tierwise/{name}/redis"
    assert secret["GenerateSecretString"]["PasswordLength"] >= 32
    assert "KmsKeyId" in secret
    assert "{{resolve:secretsmanager:" in json.dumps(group["AuthToken"])


def test_it_takes_over_in_another_zone_where_there_are_replicas(name: str, group: Resource) -> None:
    nodes = ENVIRONMENTS[name].cache.nodes
    assert group["NumCacheClusters"] == nodes
    assert group["AutomaticFailoverEnabled"] is (nodes > 1)
    assert group["MultiAZEnabled"] is (nodes > 1)


def test_production_has_a_replica_in_every_zone() -> None:
    prod = ENVIRONMENTS["prod"]
    assert prod.cache.nodes >= len(prod.zones)


def test_its_subnets_are_the_isolated_ones(name: str, synthesis: Synthesis) -> None:
    subnets = synthesis.stack(name, "cache").one("ElastiCache::SubnetGroup")["SubnetIds"]
    assert len(subnets) == len(ENVIRONMENTS[name].zones)
    assert all("isolated" in json.dumps(subnet) for subnet in subnets)
