"""The way to Redis that a request may take: bounded in time, and closed to everybody once one call waited in vain.

A Redis that hangs must cost a request a few milliseconds once, not at each of its steps, and the next requests nothing.
So the first call that is late opens the breaker, all others fail at once, and a background task alone finds out when
Redis takes writes again: no request pays for the finding out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import blake2b
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as LateError

from router_core.adapters.redis.client import CONNECT_S, close_client
from router_core.errors import StoreError
from router_core.policy.document import Breaker
from router_core.ports import Clock
from router_core.reliability.breaker import CLOSED, BreakerState, admit, failure, phase, success

Script = Callable[..., Awaitable[Any]]
BREAKER: Final = Breaker(failures=1, error_rate=1.0, min_samples=1, open_ms=100.0)
"""One failure is enough: a second one would be a second wait of the same request. Probed ten times a second."""
LONGEST_NAME: Final = 200
_DOWN: Final = (LostError, LateError, ReadOnlyError, OSError, TimeoutError)
"""What says that Redis as a whole is not there, or no longer the primary. Other errors concern one command."""
_OWN_LAG_S: Final = 0.005
_log: Final = logging.getLogger("tierwise.redis")


class RedisLink:
    """Calls of one client in one event loop. `environment` keeps installations that share a Redis apart.
    `waited` counts calls that ran into `timeout_s`."""

    def __init__(
        self, client: Redis, clock: Clock, *, environment: str, timeout_s: float, connections: int
    ) -> None:
        self._client = client
        self._clock = clock
        self._prefix = f"tierwise:{environment}:"
        self._timeout_s = timeout_s
        # Waiting for a free connection is our own business and does not count against Redis.
        self._slots = asyncio.Semaphore(connections)
        self._breaker: BreakerState = CLOSED
        self._recovery: asyncio.Task[None] | None = None
        self.waited = 0

    def key(self, kind: str, name: str) -> str:
        """`tierwise:{environment}:{kind}:{name}`; a long name is replaced by its digest."""
        if len(name) > LONGEST_NAME:
            name = blake2b(name.encode(), digest_size=32).hexdigest()
        return f"{self._prefix}{kind}:{name}"

    @property
    def usable(self) -> bool:
        """Whether a call would be tried now."""
        return self._breaker is CLOSED or phase(self._breaker, BREAKER, self._clock.monotonic_s()) == "closed"

    async def call(self, act: Callable[[Redis], Awaitable[Any]]) -> Any:
        """What `act` gives (the SDK's types say text where bytes come). Raises `StoreError`: at once while Redis is known to be away, else within the timeout."""
        self._refuse_when_open()
        async with self._slots:
            self._refuse_when_open()
            try:
                async with self._patience():
                    return await act(self._client)
            except _DOWN as error:
                self.waited += isinstance(error, TimeoutError | LateError)
                self._open(error)
                raise StoreError("the shared store does not answer") from error
            except RedisError as error:
                raise StoreError("the shared store refused a command") from error

    def script(self, lua: str) -> Script:
        """A script on one key, which is therefore at home on a cluster, too. Sent by its digest."""
        registered: Any = self._client.register_script(lua)

        async def run(key: str, *arguments: int | bytes | str) -> Any:
            return await self.call(lambda _: registered(keys=[key], args=arguments))

        return run

    async def start(self) -> None:
        """Try once, so that the first request finds an open connection; without Redis it goes on in the background."""
        try:
            await self._probe()
        except (RedisError, OSError, TimeoutError) as error:
            self._open(error)

    async def close(self) -> None:
        """End the background work and the connections."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await close_client(self._client)

    def _refuse_when_open(self) -> None:
        if not self.usable:
            raise StoreError("the shared store is away")

    @contextlib.asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """Raises TimeoutError after the timeout. If this process was too busy to look, Redis gets a second chance:
        its answer may lie in the socket already."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._timeout_s

        def late() -> None:
            own_lag = loop.time() - due_s > _OWN_LAG_S
            limit.reschedule(loop.time() + (self._timeout_s if own_lag else 0.0))

        timer = loop.call_at(due_s, late)
        try:
            async with asyncio.timeout(None) as limit:
                yield
        finally:
            timer.cancel()

    def _open(self, error: BaseException) -> None:
        before, self._breaker = self._breaker, failure(self._breaker, BREAKER, self._clock.monotonic_s())
        if before is CLOSED:
            _log.warning("redis is away (%s): going on without it", type(error).__name__)
        if self._recovery is None or self._recovery.done():
            self._recovery = asyncio.get_running_loop().create_task(self._recover())

    async def _recover(self) -> None:
        while self._breaker is not CLOSED:
            await asyncio.sleep(BREAKER.open_ms / 1000.0)
            trial = admit(self._breaker, BREAKER, self._clock.monotonic_s())
            if trial is None:
                continue
            self._breaker = trial
            try:
                await self._probe()
            except (RedisError, OSError, TimeoutError):
                self._breaker = failure(self._breaker, BREAKER, self._clock.monotonic_s())
            else:
                self._breaker = success(self._breaker, BREAKER, self._clock.monotonic_s())
        _log.warning("redis is back")

    async def _probe(self) -> None:
        """A new connection may take its time; after that a write must be answered as fast as a request needs it. A
        write, because a demoted primary still answers everything else."""
        await self._client.connection_pool.disconnect(inuse_connections=False)
        async with asyncio.timeout(CONNECT_S):
            await self._client.ping()
        async with self._patience():
            await self._client.set(f"{self._prefix}probe", b"1", px=1000)
