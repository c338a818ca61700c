"""`Idempotency-Key`: the same request sent again gets the first one's answer instead of a second execution.

Only answers are kept, no failures: a client that repeats a failed request means it. What a process keeps is bounded by
count, bytes and age; a key is forgotten early rather than memory spent.

Over several workers and replicas, whoever claims a key first in the shared state answers for all. A claim is a lease that
its holder renews while it works, so that a worker that dies blocks nobody for long. Without shared state, or while it is
away, each worker knows its own answers only. What a restricted request was answered never leaves this process: another
worker executes it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import field
from hashlib import blake2b
from typing import Final

import msgspec

from gateway.http.exchange import Headers
from router_core.errors import ConflictError, RequestError, StaleStateError, StoreError
from router_core.ports import StateStore
from router_core.record import dataclass

KEEP_S: Final = 24 * 3600.0
_LONGEST_KEY: Final = 255
LEASE_S: Final = 15.0
RENEW_S: Final = 5.0
LONGEST_WAIT_S: Final = 660.0
"""No request runs longer than this."""
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer as it was sent. `restricted`: to a request whose content stays in this process."""

    status: int
    headers: Headers
    body: bytes
    restricted: bool = False


@dataclass(slots=True, kw_only=True)
class _Entry:
    body_digest: bytes
    born_s: float
    over: asyncio.Event = field(default_factory=asyncio.Event)
    answered: Answered | None = None


class IdempotentAnswers:
    """Answers by (tenant, key). Use `claim`, then `keep` or `give_up`."""

    def __init__(self, most: int, most_bytes: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._now_s = now_s
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    async def claim(self, tenant: str, key: str, body_digest: bytes) -> Answered | None:
        """The earlier answer, waiting for one that is being made; None when the caller is to make it.

        Raises ConflictError when the key came with another body."""
        while True:
            self._forget_old()
            entry = self._entries.get((tenant, key))
            if entry is None:
                self._entries[tenant, key] = _Entry(body_digest=body_digest, born_s=self._now_s())
                return None
            if entry.body_digest != body_digest:
                raise ConflictError("this Idempotency-Key was used with another body")
            if entry.answered is not None:
                return entry.answered
            await entry.over.wait()

    def keep(self, tenant: str, key: str, answered: Answered) -> None:
        """The claimed answer is there."""
        entry = self._entries.get((tenant, key))
        if entry is not None:
            entry.answered = answered
            entry.over.set()
            self._bytes += len(answered.body)

    def give_up(self, tenant: str, key: str) -> None:
        """There will be no answer; whoever waits may try. Does nothing after `keep`."""
        entry = self._entries.get((tenant, key))
        if entry is not None and entry.answered is None:
            del self._entries[tenant, key]
            entry.over.set()

    def _forget_old(self) -> None:
        """Oldest first; a request that is still running is never forgotten, whatever its age."""
        horizon = self._now_s() - KEEP_S
        while self._entries:
            place, entry = next(iter(self._entries.items()))
            over_limit = len(self._entries) > self._most or self._bytes > self._most_bytes
            if entry.answered is None or not (over_limit or entry.born_s < horizon):
                return
            self._bytes -= len(entry.answered.body)
            del self._entries[place]


class _Record(msgspec.Struct, array_like=True):
    """What lies in the shared state; `status` 0 while the answer is being made."""

    body_digest: bytes
    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Record)


class _Lease:
    """A claim of ours, kept alive by a task until it ends in an answer or in nothing."""

    def __init__(
        self, store: StateStore, name: str, body_digest: bytes, *, version: int, renew_s: float
    ) -> None:
        self._store, self._name, self._body_digest = store, name, body_digest
        self._version, self._renew_s = version, renew_s
        self._turn = asyncio.Lock()
        self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def end(self, answered: Answered | None) -> None:
        """Put the answer in the claim's place, or nothing. A claim that another took over meanwhile stays theirs."""
        async with self._turn:
            self._renewing.cancel()
            record, ttl_s = _Record(self._body_digest), 0.001
            if answered is not None:
                record.status, record.headers, record.body = answered.status, answered.headers, answered.body
                ttl_s = KEEP_S
            with contextlib.suppress(StoreError):
                await self._put(record, ttl_s)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._renew_s)
            async with self._turn:
                try:
                    await self._put(_Record(self._body_digest), LEASE_S)
                except StaleStateError:
                    return
                except StoreError:
                    continue

    async def _put(self, record: _Record, ttl_s: float) -> None:
        value = _ENCODER.encode(record)
        self._version = await self._store.put(self._name, value, expected=self._version, ttl_s=ttl_s)


class SharedAnswers:
    """Answers by (tenant, key) in this process, and before them those of all. Use `claim`, then `keep` or `give_up`."""

    def __init__(
        self, local: IdempotentAnswers, store: StateStore | None, *, renew_s: float = RENEW_S
    ) -> None:
        self._local, self._store, self._renew_s = local, store, renew_s
        self._leases: dict[tuple[str, str], _Lease] = {}

    async def claim(self, tenant: str, key: str, body_digest: bytes) -> Answered | None:
        """See `IdempotentAnswers.claim`; waits for another worker as for a request of this one."""
        earlier = await self._local.claim(tenant, key, body_digest)
        if earlier is not None or self._store is None:
            return earlier
        try:
            earlier = await self._claim_shared(self._store, (tenant, key), body_digest)
        except StoreError:
            return None
        except BaseException:
            self._local.give_up(tenant, key)
            raise
        if earlier is not None:
            self._local.keep(tenant, key, earlier)
        return earlier

    async def keep(self, tenant: str, key: str, answered: Answered) -> None:
        """The claimed answer is there."""
        self._local.keep(tenant, key, answered)
        lease = self._leases.pop((tenant, key), None)
        if lease is not None:
            await lease.end(None if answered.restricted else answered)

    async def give_up(self, tenant: str, key: str) -> None:
        """There will be no answer; whoever waits may try. Does nothing after `keep`."""
        self._local.give_up(tenant, key)
        lease = self._leases.pop((tenant, key), None)
        if lease is not None:
            await lease.end(None)

    async def _claim_shared(
        self, store: StateStore, place: tuple[str, str], body_digest: bytes
    ) -> Answered | None:
        digest = blake2b("\0".join(place).encode(), digest_size=32)
        name = f"once:{digest.hexdigest()}"
        for pause_s in _pauses():
            with contextlib.suppress(StaleStateError):
                claim = _ENCODER.encode(_Record(body_digest))
                version = await store.put(name, claim, expected=0, ttl_s=LEASE_S)
                self._leases[place] = _Lease(store, name, body_digest, version=version, renew_s=self._renew_s)
                return None
            found = await store.get(name)
            if found is not None and (earlier := _read(found.value, body_digest)) is not None:
                return earlier
            await asyncio.sleep(pause_s)
        raise ConflictError("the first request with this Idempotency-Key is still being answered")


def _read(value: bytes, body_digest: bytes) -> Answered | None:
    """The answer, None while there is none. Raises ConflictError for another body, StoreError for no record of ours."""
    try:
        record = _DECODER.decode(value)
    except msgspec.DecodeError as error:
        raise StoreError("the shared state holds something else") from error
    if record.body_digest != body_digest:
        raise ConflictError("this Idempotency-Key was used with another body")
    if not record.status:
        return None
    return Answered(status=record.status, headers=record.headers, body=record.body)


def _pauses() -> Iterator[float]:
    """Longer and longer, LONGEST_WAIT_S together."""
    pause_s, waited_s = _FIRST_PAUSE_S, 0.0
    while waited_s < LONGEST_WAIT_S:
        yield pause_s
        waited_s += pause_s
        pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)


def checked_key(value: bytes) -> str:
    """The header's value; raises RequestError unless it is 1 to 255 printable ASCII characters."""
    if not 0 < len(value) <= _LONGEST_KEY or not all(0x20 <= byte <= 0x7E for byte in value):
        raise RequestError("an Idempotency-Key has 1 to 255 printable ASCII characters")
    return value.decode("ascii")
