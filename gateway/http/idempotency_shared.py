"""`Idempotency-Key` over several workers and replicas: whoever claims a key first in the shared state answers for all.

A claim is a lease that its holder renews while it works, so that a worker that dies blocks nobody for long. Without
shared state, or while it is away, each worker knows its own answers only. What a restricted request was answered never
leaves this process: another worker executes it again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import msgspec

from gateway.http.idempotency import KEEP_S, Answered, IdempotentAnswers
from router_core.errors import ConflictError, StaleStateError, StoreError
from router_core.ports import StateStore

LEASE_S: Final = 15.0
RENEW_S: Final = 5.0
LONGEST_WAIT_S: Final = 660.0
"""No request runs longer than this."""
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.5


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
