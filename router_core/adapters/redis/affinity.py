"""Tells other workers and replicas where sessions and prompt prefixes were served, so that they go on there.

Off the request path in both directions: what is told waits in memory and is published in batches, what is heard is
put into the listener's own memory. Best effort: who was not listening does not learn of it, and loses a warm prefix, not
an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from router_core.adapters.redis.link import RedisLink
from router_core.errors import StoreError

EVERY_S: Final = 0.1
LISTEN_S: Final = 0.5
"""How often a listener that hears nothing looks whether Redis went away."""
MOST_PENDING: Final = 2_000
"""Told and not yet published; above it the newest are left out."""
KEY_BYTES: Final = 16
LONGEST_TARGET: Final = 128
LONGEST_MESSAGE: Final = 512 * 1024
_log: Final = logging.getLogger("tierwise.redis")


class RedisAffinityFeed:
    """AffinityFeed over Redis's publish and subscribe. `start` on the serving loop, `close` in the end."""

    def __init__(self, link: RedisLink, client: Redis) -> None:
        self._link, self._client = link, client
        self._channel = link.key("affinity", "told")
        self._pending: dict[bytes, str] = {}
        self._heard: Callable[[bytes, str], None] = lambda key, target: None
        self._tasks: list[asyncio.Task[None]] = []

    def tell(self, key: bytes, target: str) -> None:
        """Note for the next batch; never waits."""
        if len(self._pending) < MOST_PENDING or key in self._pending:
            self._pending[key] = target

    def listen(self, heard: Callable[[bytes, str], None]) -> None:
        """From now on `heard` gets what others tell, and what this one told, too."""
        self._heard = heard

    def start(self) -> None:
        """Begin to publish and to listen."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._publish()), loop.create_task(self._subscribe())]

    async def close(self) -> None:
        """Stop both; what was not yet told is lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            if not self._pending:
                continue
            batch, self._pending = self._pending, {}
            # When Redis is away nobody can hear it, and later it is old.
            with contextlib.suppress(StoreError):
                await self._send(json.dumps({key.hex(): target for key, target in batch.items()}))

    async def _send(self, message: str) -> None:
        await self._link.call(lambda client: client.publish(self._channel, message))

    async def _subscribe(self) -> None:
        while True:
            try:
                async with self._client.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(self._channel)
                    await self._hear(subscription)
            except (RedisError, OSError, TimeoutError):
                _log.debug("not listening to other workers now")
            await asyncio.sleep(EVERY_S)

    async def _hear(self, subscription: Any) -> None:
        """Until the link finds Redis away: a server that hangs breaks no connection, and its successor is elsewhere."""
        while self._link.usable:
            message = await subscription.get_message(timeout=LISTEN_S)
            if message is not None:
                for key, target in read_batch(message["data"]):
                    self._heard(key, target)


def read_batch(data: bytes) -> list[tuple[bytes, str]]:
    """What a message says; nothing when it is not one of ours."""
    if len(data) > LONGEST_MESSAGE:
        return []
    try:
        told = json.loads(data)
        pairs = [(bytes.fromhex(key), target) for key, target in told.items()]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []
    return [
        (key, target)
        for key, target in pairs
        if len(key) == KEY_BYTES and isinstance(target, str) and 0 < len(target) <= LONGEST_TARGET
    ]
