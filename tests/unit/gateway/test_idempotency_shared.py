"""Two workers over one shared state: one execution per key, whichever of them is asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from gateway.http.edge import Gateway
from gateway.http.idempotency import LEASE_S, Answered, IdempotentAnswers, SharedAnswers
from router_core.adapters.memory.state import MemoryStateStore
from router_core.errors import StoreError, UnavailableError
from router_core.inference import InferenceRequest, InferenceResponse
from router_core.ports import StateStore, Versioned
from tests.contract.stores.kinds import SetClock
from tests.unit.gateway.asgi import OTHER, application, call
from tests.unit.gateway.scripted import ScriptedRouter

KEY = {"idempotency-key": "order-1"}
DIGEST = b"d" * 32


class AwayStore:
    """A shared state that cannot be reached."""

    async def get(self, key: str) -> Versioned | None:
        raise StoreError("away")

    async def put(self, key: str, value: bytes, **_: Any) -> int:
        raise StoreError("away")

    async def delete(self, key: str) -> None:
        raise StoreError("away")


class RestrictedRouter(ScriptedRouter):
    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        return replace(await super().answer(request), restricted=True)


def workers(router: ScriptedRouter, store: StateStore) -> tuple[Gateway, Gateway]:
    return application(router, shared=store), application(router, shared=store)


def shared_state() -> MemoryStateStore:
    return MemoryStateStore(SetClock())


async def test_the_other_worker_gives_the_first_ones_answer() -> None:
    router = ScriptedRouter()
    one, two = workers(router, shared_state())
    first = await call(one, "POST", "/inference", {"input": "x"}, headers=KEY)
    second = await call(two, "POST", "/inference", {"input": "x"}, headers=KEY)
    third = await call(two, "POST", "/inference", {"input": "x"}, headers=KEY)
    assert len(router.asked) == 1
    assert first.body == second.body == third.body
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["x-tierwise-request-id"] == first.headers["x-tierwise-request-id"]


async def test_duplicates_at_both_workers_wait_for_one_execution() -> None:
    router = ScriptedRouter(wait_s=0.05)
    both = workers(router, shared_state())
    asked = (call(both[n % 2], "POST", "/inference", {"input": "x"}, headers=KEY) for n in range(6))
    replies = await asyncio.gather(*asked)
    assert len(router.asked) == 1
    assert len({reply.body for reply in replies}) == 1


async def test_another_body_at_another_worker_is_a_conflict_and_another_tenant_is_not() -> None:
    one, two = workers(ScriptedRouter(), shared_state())
    await call(one, "POST", "/inference", {"input": "x"}, headers=KEY)
    assert (await call(two, "POST", "/inference", {"input": "y"}, headers=KEY)).status == 409
    assert (await call(two, "POST", "/inference", {"input": "x"}, headers=KEY)).status == 200
    assert (await call(two, "POST", "/inference", {"input": "y"}, headers=KEY, key=OTHER)).status == 200


async def test_a_failure_frees_the_key_for_all() -> None:
    router = ScriptedRouter(fails=UnavailableError("down"))
    clock = SetClock()
    one, two = workers(router, MemoryStateStore(clock))
    assert (await call(one, "POST", "/inference", {"input": "x"}, headers=KEY)).status == 502
    await clock.advance(0.01)
    router.fails = None
    assert (await call(two, "POST", "/inference", {"input": "x"}, headers=KEY)).status == 200


async def test_a_restricted_answer_stays_where_it_was_made() -> None:
    router = RestrictedRouter()
    clock = SetClock()
    store = MemoryStateStore(clock)
    one, two = workers(router, store)
    await call(one, "POST", "/inference", {"input": "x"}, headers=KEY)
    await clock.advance(0.01)
    await call(one, "POST", "/inference", {"input": "x"}, headers=KEY)
    assert len(router.asked) == 1
    await call(two, "POST", "/inference", {"input": "x"}, headers=KEY)
    assert len(router.asked) == 2


async def test_without_the_shared_state_each_worker_goes_on_alone() -> None:
    router = ScriptedRouter()
    one, two = workers(router, AwayStore())
    for app in (one, one, two, two):
        assert (await call(app, "POST", "/inference", {"input": "x"}, headers=KEY)).status == 200
    assert len(router.asked) == 2


async def test_a_worker_that_works_long_keeps_its_claim() -> None:
    clock = SetClock()
    store = MemoryStateStore(clock)
    busy, other = (SharedAnswers(IdempotentAnswers(10, 1_000), store, renew_s=0.005) for _ in range(2))
    assert await busy.claim("t", "k", DIGEST) is None
    waiting = asyncio.create_task(other.claim("t", "k", DIGEST))
    for _ in range(6):
        await clock.advance(LEASE_S - 1.0)
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await busy.keep("t", "k", Answered(status=200, headers=[], body=b"busy"))
    found = await waiting
    assert found is not None and found.body == b"busy"


async def test_a_worker_that_died_blocks_its_keys_no_longer_than_its_lease() -> None:
    clock = SetClock()
    store = MemoryStateStore(clock)
    dead, alive = (SharedAnswers(IdempotentAnswers(10, 1_000), store, renew_s=1e9) for _ in range(2))
    assert await dead.claim("t", "k", DIGEST) is None
    waiting = asyncio.create_task(alive.claim("t", "k", DIGEST))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await clock.advance(LEASE_S + 1.0)
    assert await waiting is None
    await alive.keep("t", "k", Answered(status=200, headers=[], body=b"alive"))
    # The late one must not put its answer over that of whoever took over.
    await dead.keep("t", "k", Answered(status=200, headers=[], body=b"dead"))
    third = SharedAnswers(IdempotentAnswers(10, 1_000), store)
    found = await third.claim("t", "k", DIGEST)
    assert found is not None and found.body == b"alive"
