"""What holds a caller's own key, what seals it, and which router is asked with it."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agents.assembly import Router as Assembled
from gateway.byok.envelopes import Envelopes
from gateway.byok.router import OwnKeyRouter
from router_core.adapters.models.own_key import OwnKeyModel
from router_core.adapters.sql.sealed import Sealer, envelope_key
from router_core.errors import (
    AllTargetsFailedError,
    KeyExpiredError,
    KeyThrottledError,
    NoCapacityError,
    RefusedError,
    RequestError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from router_core.execution import Chunk, ModelAnswer
from router_core.inference import Caller, InferenceRequest, Preferences
from router_core.jobs.records import Claim, Job
from router_core.own_key import OwnKey, held, holding
from router_core.ports import Model, ModelCall
from tests.contract.sql.conftest import SetClock
from tests.unit.gateway.scripted import ScriptedRouter

KEY = "sk-canary-of-the-mill-5772"
TARGET = "byok/open"
CALL = cast(ModelCall, SimpleNamespace())


def request(target: str | None = TARGET, **more: Any) -> InferenceRequest:
    return InferenceRequest(
        request_id="req_1",
        received_s=1.0,
        caller=Caller(tenant="acme", key_id="k"),
        messages=({"role": "user", "content": "hi"},),
        preferences=Preferences(target=target, **more),
    )


def claim(envelope: bytes | None, **more: Any) -> Claim:
    job = replace(Job(request_id="req_1", tenant="acme", created_s=1.0, size=1), **more)
    return Claim(key="k", queue="inference", token="t", tries=1, job=job, envelope=envelope)


def envelopes(clock: SetClock, *keys: bytes, ttl_s: float = 60.0) -> Envelopes:
    return Envelopes(Sealer(tuple(map(envelope_key, keys or (b"k" * 32,)))), clock, {TARGET: ttl_s})


def test_a_key_shows_itself_to_nobody_and_ends_with_its_request() -> None:
    key = OwnKey(KEY)
    assert KEY not in f"{key!r} {key}"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with holding(key):
        assert held() == KEY
        with holding(None):
            assert held() is None
    assert held() is None
    assert key.reveal() is None


async def test_a_task_that_lives_on_does_not_keep_the_key() -> None:
    go = asyncio.Event()

    async def lives_on() -> str | None:
        await go.wait()
        return held()

    with holding(OwnKey(KEY)):
        task = asyncio.create_task(lives_on())
        await asyncio.sleep(0)
    go.set()
    assert await task is None


def test_an_envelope_opens_for_its_request_and_provider_alone_and_in_its_time() -> None:
    clock = SetClock()
    post = envelopes(clock)
    with holding(OwnKey(KEY)):
        sealed = post.sealed("acme", "req_1", TARGET)
        assert post.sealed("acme", "req_1", "mec/node") is None
    assert sealed is not None and KEY.encode() not in sealed.sealed
    assert sealed.until_s == clock.at_s + 60.0
    opened = post.opened(claim(sealed.sealed), TARGET)
    assert opened is not None and opened.reveal() == KEY
    assert post.opened(claim(None), "mec/node") is None
    for other, target in (
        (claim(sealed.sealed, tenant="rival"), TARGET),
        (claim(sealed.sealed, request_id="req_2"), TARGET),
        (claim(sealed.sealed), "byok/other"),
        (claim(sealed.sealed[:-1] + b"x"), TARGET),
    ):
        with pytest.raises(StoreError):
            post.opened(other, target)
    clock.at_s += 60.0
    for late in (claim(sealed.sealed), claim(None)):
        with pytest.raises(KeyExpiredError, match="has expired"):
            post.opened(late, TARGET)


def test_a_changed_key_opens_what_the_old_one_sealed_and_rows_keys_open_no_envelope() -> None:
    clock, old, new = SetClock(), b"o" * 32, b"n" * 32
    with holding(OwnKey(KEY)):
        sealed = envelopes(clock, old).sealed("acme", "req_1", TARGET)
    assert sealed is not None
    opened = envelopes(clock, new, old).opened(claim(sealed.sealed), TARGET)
    assert opened is not None and opened.reveal() == KEY
    for keys in (Sealer((new,)), Sealer((old,))):
        with pytest.raises(StoreError):
            Envelopes(keys, clock, {}).opened(claim(sealed.sealed), TARGET)


def test_a_provider_without_a_key_is_a_request_that_lacks_something() -> None:
    with pytest.raises(RequestError, match="x-tierwise-provider-key"):
        envelopes(SetClock()).sealed("acme", "req_1", TARGET)


async def test_nothing_leads_from_one_router_to_the_other() -> None:
    main, own = ScriptedRouter(), ScriptedRouter()
    router = OwnKeyRouter(main, cast(Assembled, own))
    with holding(OwnKey(KEY)):
        await router.answer(request(fallback=True))
        await router.answer(request("mec/edge-a"))
        await router.answer(request(None))
        _ = [event async for event in router.stream(request())]
    await router.explain(request())
    assert [one.preferences.target for one in main.asked] == ["mec/edge-a", None]
    assert [one.preferences.target for one in own.asked] == [TARGET] * 3
    assert {(one.preferences.fallback, one.cache_allowed) for one in own.asked} == {(False, False)}
    with pytest.raises(RequestError):
        await router.answer(request())
    await router.scored("acme", "req_1", TARGET, 0.5)
    assert (len(main.scores), len(own.scores)) == (0, 1)


async def test_a_key_out_of_its_quota_is_waited_for_and_any_other_failure_is_told() -> None:
    class Failing(ScriptedRouter):
        last: Any = None

        async def answer(self, request: InferenceRequest) -> Any:
            raise AllTargetsFailedError((), self.last)

    own = Failing()
    router = OwnKeyRouter(ScriptedRouter(), cast(Assembled, own))
    own.last = KeyThrottledError("limits", retry_after_s=7.0)
    with holding(OwnKey(KEY)), pytest.raises(NoCapacityError) as caught:
        await router.answer(request())
    assert caught.value.retry_after_s == 7.0
    own.last = UnavailableError("away")
    with holding(OwnKey(KEY)), pytest.raises(AllTargetsFailedError):
        await router.answer(request())


class Provider:
    """A model that throttles whoever asks."""

    async def generate(self, call: ModelCall) -> ModelAnswer:
        raise ThrottledError("slow down", retry_after_s=2.0)

    async def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text="a")
        raise ThrottledError("slow down")


async def test_throttling_of_a_key_says_nothing_of_the_target() -> None:
    seen: list[str] = []

    def made(key: str) -> Model:
        seen.append(key)
        return Provider()

    model = OwnKeyModel(made)
    with holding(OwnKey(KEY)):
        with pytest.raises(KeyThrottledError) as caught:
            await model.generate(CALL)
        with pytest.raises(KeyThrottledError):
            _ = [chunk async for chunk in model.stream(CALL)]
    assert (caught.value.retry_after_s, caught.value.retryable) == (2.0, False)
    assert seen == [KEY, KEY]
    with pytest.raises(RefusedError):
        await model.generate(CALL)
