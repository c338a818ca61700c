"""Workers tell each other where a session was served, and none of them waits for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.cache import CacheAgent
from router_core.adapters.memory.response_store import MemoryResponseStore
from router_core.adapters.redis.affinity import MOST_PENDING, RedisAffinityFeed, read_batch
from router_core.adapters.redis.client import RedisPlace, open_client
from router_core.adapters.redis.link import RedisLink
from router_core.adapters.system_clock import SystemClock
from router_core.inference import Caller, InferenceRequest
from tests.contract.redis.linked import PATIENT_S, comes_true
from tests.contract.redis.servers import Server, running_redis


def asked(session: str, tenant: str = "acme") -> InferenceRequest:
    return InferenceRequest(
        request_id="req_1",
        received_s=0.0,
        caller=Caller(key_id="k", tenant=tenant, role="user"),
        messages=({"role": "user", "content": "hello"},),
        session_id=session,
    )


@asynccontextmanager
async def worker(
    server: Server, *, environment: str = "test", timeout_s: float = PATIENT_S
) -> AsyncIterator[CacheAgent]:
    client = open_client(RedisPlace(url=server.url, connections=2))
    link = RedisLink(client, SystemClock(), environment=environment, timeout_s=timeout_s, connections=2)
    feed = RedisAffinityFeed(link, client)
    await link.start()
    feed.start()
    try:
        heard: set[bytes] = set()
        feed.listen(lambda key, _: heard.add(key))

        # Its own word comes back once it listens.
        def echoed() -> bool:
            feed.tell(b"0" * 16, "mark")
            return bool(heard)

        await comes_true(echoed)
        yield CacheAgent(MemoryResponseStore(max_bytes=0, max_entries=0, clock=SystemClock()), feed)
    finally:
        await feed.close()
        await link.close()


def session_of(agent: CacheAgent, session: str, tenant: str = "acme") -> str | None:
    return agent.recall(asked(session, tenant))[0]


async def test_a_session_is_known_to_the_other_worker_and_to_no_other_tenant(redis_server: Server) -> None:
    async with worker(redis_server) as one, worker(redis_server) as two:
        one.remember(asked("s"), "mec/a")
        await comes_true(lambda: session_of(two, "s") == "mec/a")
        assert session_of(two, "s", tenant="other") is None
        two.remember(asked("s"), "mec/b")
        await comes_true(lambda: session_of(one, "s") == "mec/b")


async def test_environments_do_not_hear_each_other(redis_server: Server) -> None:
    async with worker(redis_server, environment="dev") as dev, worker(redis_server) as test:
        dev.remember(asked("s"), "mec/a")
        test.remember(asked("mark"), "mec/a")
        async with worker(redis_server, environment="dev") as late:
            dev.remember(asked("after"), "mec/a")
            await comes_true(lambda: session_of(late, "after") == "mec/a")
        assert session_of(test, "s") is None


async def test_after_redis_was_away_they_hear_each_other_again(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        async with worker(server, timeout_s=0.2) as one, worker(server, timeout_s=0.2) as two:
            server.kill()
            one.remember(asked("lost"), "mec/a")
            server.start()

            def told() -> bool:
                one.remember(asked("again"), "mec/a")
                one.remember(asked("again"), "mec/b")
                return session_of(two, "again") is not None

            await comes_true(told)


async def test_what_waits_to_be_told_is_bounded(redis_server: Server) -> None:
    client = open_client(RedisPlace(url=redis_server.url))
    link = RedisLink(client, SystemClock(), environment="test", timeout_s=1.0, connections=1)
    feed = RedisAffinityFeed(link, client)
    for n in range(3 * MOST_PENDING):
        feed.tell(n.to_bytes(16, "big"), "mec/a")
    assert len(feed._pending) == MOST_PENDING
    await link.close()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 5_000,
        b'{"zz": "mec/a"}',
        b'{"00": "mec/a"}',
        json.dumps({"00" * 16: 5}).encode(),
        json.dumps({"00" * 16: "x" * 1_000}).encode(),
        b'{"a": "' + b"x" * 600_000 + b'"}',
    ],
)
def test_what_is_no_message_of_ours_says_nothing(message: bytes) -> None:
    assert read_batch(message) == []
