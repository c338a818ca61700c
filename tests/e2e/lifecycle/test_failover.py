"""kill -9 of the primary Redis under traffic: every request is answered, and answers are shared again afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.redis.servers import MASTER, until, watched_redis
from tests.e2e.lifecycle.house import OTHER, near_only, open_house
from tests.upstream.server import FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("lifecycle-shared")]


def cacheable(text: str) -> dict[str, Any]:
    return near_only(params={"temperature": 0}, input=text)


def test_the_gateway_answers_through_a_failover_and_uses_the_new_primary(tmp_path: Path) -> None:
    with watched_redis(tmp_path) as redis, FaultServer(length=10) as upstream:
        addresses = json.dumps([f"{host}:{port}" for host, port in redis.addresses])
        environment = {"TIERWISE_REDIS__SENTINELS": addresses, "TIERWISE_REDIS__MASTER": MASTER}
        folder = tmp_path / "house"
        folder.mkdir()
        with open_house(folder, upstream, environment=environment) as house, house.client(OTHER) as client:

            def cache_of(text: str) -> str:
                reply = client.post("/inference", json=cacheable(text))
                assert reply.status_code == 200, reply.text
                return reply.headers["x-tierwise-cache"]

            until(lambda: cache_of("What is a heron?") == "hit")
            redis.primary.kill()
            said = [cache_of(f"What is bird {n}?") for n in range(20)]
            assert set(said) == {"miss"}
            until(lambda: cache_of("What is a stork?") == "hit")
            assert any(b":cache:" in name for name in redis.replica.client.scan_iter())
            assert redis.replica.client.info("replication")["role"] == "master"
