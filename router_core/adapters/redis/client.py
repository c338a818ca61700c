"""How Redis is reached: one address, or the sentinels that know it; TLS, password and pool bounds in one place.

Retries of the SDK are off and nothing is read from its environment: whoever calls decides about time and about trying
again. Nothing connects before the first command.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from router_core.errors import StoreError
from router_core.record import dataclass

CONNECT_S: Final = 1.0
"""Longest wait of one connection attempt or reply, should nobody bound it sooner."""
TRIES: Final = 5
BACKGROUND_CONNECTIONS: Final = 2
"""Beside those that requests share: one that listens, one that finds out whether Redis is back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisPlace:
    """Where Redis is: `url` (`redis://host:port/db`, `rediss://` with TLS), or `sentinels` with the name of their
    `master`. Secrets come apart from the address, so that the address may be shown."""

    url: str | None = None
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = "mymaster"
    username: str | None = None
    password: str | None = None
    sentinel_password: str | None = None
    tls: bool = False
    ca_file: Path | None = None
    connections: int = 16


def open_client(place: RedisPlace) -> Redis:
    """A client that connects when first used. Close it with `close_client`."""
    options: dict[str, Any] = {
        "password": place.password,
        "username": place.username,
        "max_connections": place.connections + BACKGROUND_CONNECTIONS,
        **_everywhere(),
    }
    if place.url is not None:
        secure = _trust(place) if place.url.startswith("rediss:") else {}
        made: Redis = Redis.from_url(place.url, **_given(options), **secure)
        return made
    secure = {"ssl": True, **_trust(place)} if place.tls else {}
    watchers = _given({"password": place.sentinel_password, **_everywhere(), **secure})
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # its constructor has no annotations
        list(place.sentinels), sentinel_kwargs=watchers
    )
    client: Redis = sentinel.master_for(place.master, **_given(options), **secure)
    return client


async def close_client(client: Redis) -> None:
    """Close its connections, and those to the sentinels."""
    await client.aclose()
    sentinel = getattr(client.connection_pool, "sentinel_manager", None)
    if sentinel is not None:
        await sentinel.aclose()


async def write_ms(place: RedisPlace, key: str) -> float:
    """The median time of a few writes of `key`, which is gone a second later. Raises `StoreError` naming the failure
    by its kind only: the SDK's sentence may hold what was configured."""
    client = open_client(place)
    took: list[float] = []
    try:
        await client.ping()
        for _ in range(TRIES):
            begun = time.perf_counter()
            await client.set(key, b"1", px=1000)
            took.append((time.perf_counter() - begun) * 1000.0)
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreError(f"no writes there ({type(error).__name__})") from error
    finally:
        await close_client(client)
    return sorted(took)[TRIES // 2]


def _everywhere() -> dict[str, Any]:
    return {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": CONNECT_S,
        "socket_connect_timeout": CONNECT_S,
        # Two round trips less per connection; the server's operator knows us by our keys.
        "driver_info": None,
        "protocol": 2,
    }


def _trust(place: RedisPlace) -> dict[str, Any]:
    return _given({"ssl_ca_certs": None if place.ca_file is None else str(place.ca_file)})


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Without what is not set; `driver_info` is the one whose None means something."""
    return {name: value for name, value in options.items() if value is not None or name == "driver_info"}
