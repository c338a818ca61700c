"""Which stores a gateway uses: those of this process, or Redis when the settings name one.

Redis going away must not stop requests, and must not lift a limit either: the cache then misses, and keys are counted by
this worker alone, each worker with its share, until Redis is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from gateway.composition.aws import open_state
from gateway.composition.plan import Plan, PlannedKey
from gateway.settings.schema import KeySettings, RedisSettings
from gateway.settings.secrets import SecretRef, resolve
from router_core.adapters.memory.rate_limit import MemoryRateLimiter
from router_core.adapters.memory.response_store import MemoryResponseStore
from router_core.errors import ConfigurationError, StoreError
from router_core.jobs.live import LiveStates
from router_core.ports import AffinityFeed, Clock, Ledger, RateLimiter, ResponseStore, StateStore
from router_core.record import dataclass
from router_core.reliability.key_limits import KeyLimits

if TYPE_CHECKING:  # the SDK is an extra, and loading it takes time
    from router_core.adapters.redis.client import RedisPlace

_SENTINEL_PORT: Final = 26379


async def _nothing_to_close() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """`shared` is state that all workers and replicas see, `ledger` what they spend together, `affinity` where they tell each other who served which session, `live` how far jobs are;
    None where each has its own."""

    responses: ResponseStore
    limiter: RateLimiter
    shared: StateStore | None = None
    ledger: Ledger | None = None
    affinity: AffinityFeed | None = None
    live: LiveStates | None = None
    close: Callable[[], Awaitable[None]] = _nothing_to_close


async def open_stores(made: Plan, clock: Clock) -> Stores:
    """The stores; with Redis, after one try to reach it, whose failure is no error. A table that is named for the state
    holds it in Redis' place, because it outlives a restart. Raises `ConfigurationError`."""
    opened = await _open(made, clock)
    if made.settings.stores.state is None:
        return opened
    state, ledger = await open_state(made.settings.stores.state, clock)

    async def close() -> None:
        await asyncio.gather(opened.close(), state.close(), ledger.close())

    return replace(opened, shared=state, ledger=ledger, close=close)


async def _open(made: Plan, clock: Clock) -> Stores:
    local = MemoryRateLimiter(_limits({key.settings.id: key.settings for key in made.keys}), clock)
    if made.settings.redis.configured:
        return await _redis_stores(made, clock, local)
    cache = made.settings.cache
    responses = MemoryResponseStore(
        max_bytes=cache.max_mb * 2**20, max_entries=cache.max_entries, clock=clock
    )
    return Stores(responses=responses, limiter=local)


def redis_place(settings: RedisSettings, environ: Mapping[str, str]) -> RedisPlace:
    """Where Redis is, secrets fetched. Raises `ConfigurationError`."""
    if find_spec("redis") is None:
        raise ConfigurationError("settings: redis needs its package: pip install 'tierwise[redis]'")
    from router_core.adapters.redis.client import RedisPlace

    def secret(reference: SecretRef | None, key: str) -> str | None:
        return None if reference is None else resolve(reference, environ, f"redis.{key}").reveal()

    return RedisPlace(
        url=settings.url,
        sentinels=tuple(_address(entry) for entry in settings.sentinels),
        master=settings.master,
        username=settings.username,
        password=secret(settings.password, "password"),
        sentinel_password=secret(settings.sentinel_password, "sentinel_password"),
        tls=settings.tls,
        ca_file=settings.ca_file,
        connections=settings.connections,
    )


def redis_write_ms(settings: RedisSettings, environ: Mapping[str, str]) -> float:
    """How long a write takes from here. Raises `ConfigurationError` or `StoreError`."""
    place = redis_place(settings, environ)
    from router_core.adapters.redis.client import write_ms

    return asyncio.run(write_ms(place, f"tierwise:{settings.environment}:doctor"))


async def _redis_stores(made: Plan, clock: Clock, local: RateLimiter) -> Stores:
    settings = made.settings.redis
    place = redis_place(settings, os.environ)
    from router_core.adapters.redis.affinity import RedisAffinityFeed
    from router_core.adapters.redis.client import open_client
    from router_core.adapters.redis.jobs import RedisLiveStates
    from router_core.adapters.redis.ledger import RedisLedger
    from router_core.adapters.redis.link import RedisLink
    from router_core.adapters.redis.rate_limit import RedisRateLimiter
    from router_core.adapters.redis.response_store import RedisResponseStore
    from router_core.adapters.redis.state import RedisStateStore

    client = open_client(place)
    link = RedisLink(
        client,
        clock,
        environment=settings.environment,
        timeout_s=settings.timeout_ms / 1000.0,
        connections=settings.connections,
    )
    feed = RedisAffinityFeed(link, client)

    async def close() -> None:
        await feed.close()
        await link.close()

    await link.start()
    feed.start()
    return Stores(
        responses=RedisResponseStore(link),
        limiter=SharedLimits(RedisRateLimiter(_limits(_whole(made)), link), local),
        shared=RedisStateStore(link),
        ledger=RedisLedger(link),
        affinity=feed,
        live=RedisLiveStates(link),
        close=close,
    )


class SharedLimits:
    """RateLimiter that counts in the shared store, and in this process alone while that is away: never unlimited."""

    def __init__(self, shared: RateLimiter, local: RateLimiter) -> None:
        self._shared, self._local = shared, local
        self._open_here: Counter[tuple[str, int]] = Counter()

    async def admit(self, key_id: str, tokens: int) -> None:
        """Raises `RateLimitedError` of whoever counts now."""
        try:
            await self._shared.admit(key_id, tokens)
        except StoreError:
            await self._local.admit(key_id, tokens)
            if tokens > 0:
                self._open_here[key_id, tokens] += 1

    async def settle(self, key_id: str, estimated: int, used: int) -> None:
        """Settles where the estimate was reserved. A correction that the store can't take is left out: what was
        reserved then counts for its minute."""
        if self._open_here[key_id, estimated]:
            self._open_here[key_id, estimated] -= 1
            await self._local.settle(key_id, estimated, used)
        else:
            with contextlib.suppress(StoreError):
                await self._shared.settle(key_id, estimated, used)
        if not self._open_here[key_id, estimated]:
            del self._open_here[key_id, estimated]


def _whole(made: Plan) -> dict[str, KeySettings]:
    """Keys as configured: those of the plan may hold one worker's share."""
    configured = {key.id: key for key in made.settings.keys}
    return {key.settings.id: _configured(key, configured) for key in made.keys}


def _configured(key: PlannedKey, configured: Mapping[str, KeySettings]) -> KeySettings:
    return configured.get(key.settings.id, key.settings)


def _limits(keys: Mapping[str, KeySettings]) -> dict[str, KeyLimits | None]:
    return {
        name: KeyLimits(requests_per_min=key.requests_per_min, tokens_per_min=key.tokens_per_min)
        for name, key in keys.items()
    }


def _address(entry: str) -> tuple[str, int]:
    host, colon, port = entry.rpartition(":")
    return (host, int(port)) if colon else (entry, _SENTINEL_PORT)
