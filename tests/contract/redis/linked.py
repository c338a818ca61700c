"""A link to a real server for a test, and two ways to make that server believe that time has passed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from router_core.adapters.redis.client import RedisPlace, open_client
from router_core.adapters.redis.link import RedisLink
from router_core.adapters.system_clock import SystemClock
from tests.contract.redis.servers import PATIENCE_S, Server

PATIENT_S = 10.0
"""For tests of what is stored, not of how long it takes: a busy machine must not open the breaker."""
FIRST_S = 1_800_000_000.377


async def comes_true(seen: Callable[[], object]) -> None:
    """Wait for what another process brings about; fails after PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while not seen():  # noqa: ASYNC110  # no event of ours tells what another process did
            await asyncio.sleep(0.01)


class SetTimeRedis(Redis):
    """A client whose scripts read the time from two keys instead of the server's clock."""

    def register_script(self, script: Any) -> Any:
        return super().register_script(
            script.replace("redis.call('TIME')", "redis.call('MGET', 'clock:s', 'clock:us')")
        )


class Linked:
    """The link under test, and the server behind it."""

    def __init__(self, link: RedisLink, server: Server) -> None:
        self.link = link
        self.server = server
        self._time_s = FIRST_S

    async def advance(self, seconds: float) -> None:
        """For scripts that ask for the time."""
        self._time_s += seconds
        whole = int(self._time_s)
        self.server.client.mset({"clock:s": whole, "clock:us": int((self._time_s - whole) * 1e6)})

    async def expire_sooner(self, seconds: float) -> None:
        """For what the server itself forgets: every time to live is shorter by so much."""
        client = self.server.client
        for name in client.scan_iter():
            left_ms = client.pttl(name)
            if left_ms > 0:
                client.pexpire(name, left_ms - int(seconds * 1000))


@asynccontextmanager
async def linked(
    server: Server, *, timeout_s: float, set_clock: bool = False, environment: str = "test"
) -> AsyncIterator[Linked]:
    """An empty server and a link to it."""
    server.client.flushall()
    place = RedisPlace(url=server.url, password=server.secret, connections=8)
    client = SetTimeRedis.from_url(server.url) if set_clock else open_client(place)
    link = RedisLink(client, SystemClock(), environment=environment, timeout_s=timeout_s, connections=8)
    made = Linked(link, server)
    await made.advance(0.0)
    try:
        yield made
    finally:
        await link.close()
