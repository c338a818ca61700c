"""How Redis is reached and what lies there: TLS, passwords, names of keys, bounds."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router_core.adapters.redis.client import RedisPlace, open_client
from router_core.adapters.redis.ledger import RedisLedger
from router_core.adapters.redis.link import RedisLink
from router_core.adapters.redis.rate_limit import RedisRateLimiter
from router_core.adapters.redis.response_store import RedisResponseStore
from router_core.adapters.redis.state import RedisStateStore
from router_core.adapters.system_clock import SystemClock
from router_core.errors import StoreError
from router_core.reliability.key_limits import KeyLimits
from tests.contract.redis.linked import PATIENT_S, linked
from tests.contract.redis.servers import Server, free_port, running_redis
from tests.unit.adapters_http.tls import PEM

PAGE = Path(__file__).parents[3] / "docs" / "redis.md"
SECRET = "heron-31-opens-redis"


@asynccontextmanager
async def store_at(place: RedisPlace) -> AsyncIterator[RedisResponseStore]:
    link = RedisLink(
        open_client(place), SystemClock(), environment="test", timeout_s=PATIENT_S, connections=2
    )
    try:
        yield RedisResponseStore(link)
    finally:
        await link.close()


async def refusal(place: RedisPlace) -> StoreError:
    async with store_at(place) as store:
        with pytest.raises(StoreError) as caught:
            await store.get("a")
    return caught.value


async def test_a_password_opens_and_a_wrong_one_shows_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_redis(tmp_path, secret=SECRET) as server:
        async with store_at(RedisPlace(url=server.url, password=SECRET)) as store:
            await store.put("a", b"1", 60.0)
            assert await store.get("a") == b"1"
        caplog.set_level(logging.DEBUG)
        refusals = [
            await refusal(RedisPlace(url=server.url, password=wrong)) for wrong in (None, SECRET + "-not")
        ]
    assert SECRET not in f"{refusals}{[error.__cause__ for error in refusals]}{caplog.text}"


async def test_the_rights_that_the_page_names_are_enough(tmp_path: Path) -> None:
    (rights,) = re.findall(r"ACL for Tierwise needs `([^`]+)`", PAGE.read_text())
    with running_redis(tmp_path) as server:
        server.client.execute_command(  # type: ignore[no-untyped-call]  # has no annotations
            "ACL", "SETUSER", "tierwise", "on", f">{SECRET}", *rights.split()
        )
        client = open_client(RedisPlace(url=server.url, username="tierwise", password=SECRET))
        link = RedisLink(client, SystemClock(), environment="prod", timeout_s=PATIENT_S, connections=2)
        await link.start()
        store, state, ledger = RedisResponseStore(link), RedisStateStore(link), RedisLedger(link)
        await store.put("a", b"1", 60.0)
        assert (await store.get("a"), await store.get("b")) == (b"1", None)
        await store.evict("a")
        await state.put("a", b"1", ttl_s=60.0)
        await state.put("a", b"2")
        await state.delete("a")
        await ledger.reserve("acme", "2026-11-21", 5, 10)
        await ledger.settle("acme", "2026-11-21", 5, 1)
        limiter = RedisRateLimiter({"k": KeyLimits(requests_per_min=9, tokens_per_min=90)}, link)
        for used in (1, 50):
            await limiter.admit("k", 10)
            await limiter.settle("k", 10, used)
        async with client.pubsub() as subscription:
            await subscription.subscribe(link.key("affinity", "told"))
            await client.publish(link.key("affinity", "told"), b"1")
        await link.close()


async def test_tls_checks_who_answers(tmp_path: Path) -> None:
    port = free_port()
    files = (*("--tls-cert-file", str(PEM), "--tls-key-file", str(PEM)), "--tls-ca-cert-file", str(PEM))
    with running_redis(tmp_path, "--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        url = f"rediss://localhost:{port}/0"
        async with store_at(RedisPlace(url=url, ca_file=PEM)) as store:
            await store.put("a", b"1", 60.0)
            assert await store.get("a") == b"1"
        for other in (
            RedisPlace(url=url),
            RedisPlace(url=url.replace("localhost", "127.0.0.1"), ca_file=PEM),
        ):
            await refusal(other)


async def test_every_key_is_ours_and_ends_by_itself_but_state_that_should_stay(redis_server: Server) -> None:
    async with linked(redis_server, timeout_s=PATIENT_S, environment="dev") as redis:
        link = redis.link
        await link.start()
        await RedisResponseStore(link).put("answer", b"1", 60.0)
        await RedisRateLimiter({"phone": KeyLimits(requests_per_min=1)}, link).admit("phone", 1)
        await RedisStateStore(link).put("word", b"1")
        await RedisLedger(link).reserve("acme", "2026-11-21", 1, 10)
        client = redis_server.client
        client.delete("clock:s", "clock:us")
        names = {name.decode(): client.ttl(name) > 0 for name in client.scan_iter()}
    assert names == {
        "tierwise:dev:cache:answer": True,
        "tierwise:dev:limit:phone": True,
        "tierwise:dev:state:word": False,
        "tierwise:dev:ledger:2026-11-21:acme": True,
        "tierwise:dev:probe": True,
    }


async def test_environments_do_not_share(redis_server: Server) -> None:
    async with (
        linked(redis_server, timeout_s=PATIENT_S, environment="dev") as dev,
        linked(redis_server, timeout_s=PATIENT_S, environment="prod") as prod,
    ):
        await RedisResponseStore(dev.link).put("a", b"1", 60.0)
        assert await RedisResponseStore(prod.link).get("a") is None


async def test_long_names_and_large_answers_are_bounded(redis_server: Server) -> None:
    async with linked(redis_server, timeout_s=PATIENT_S) as redis:
        store = RedisResponseStore(redis.link, max_value_bytes=1_000)
        await store.put("x" * 5_000, b"1", 60.0)
        assert (await store.get("x" * 5_000), await store.get("x" * 5_001)) == (b"1", None)
        assert max(len(name) for name in redis_server.client.scan_iter()) < 250
        await store.put("a", b"old", 60.0)
        await store.put("a", b"x" * 1_001, 60.0)
        assert await store.get("a") is None
