"""A request sent again with its Idempotency-Key is answered once and executed once."""

from __future__ import annotations

import asyncio

import pytest

from gateway.http.idempotency import KEEP_S, Answered, IdempotentAnswers
from router_core.errors import ConflictError, UnavailableError
from tests.unit.gateway.asgi import OTHER, application, call
from tests.unit.gateway.scripted import TEXT, ScriptedRouter

KEY = {"idempotency-key": "order-1"}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_body_gets_the_first_answer_again(stream: bool) -> None:
    router = ScriptedRouter()
    app = application(router)
    body = {"input": "x", "stream": stream}
    first = await call(app, "POST", "/inference", body, headers=KEY)
    second = await call(app, "POST", "/inference", body, headers=KEY)
    assert len(router.asked) == 1
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert second.headers["x-tierwise-request-id"] == first.headers["x-tierwise-request-id"]
    if stream:
        assert [name for name, _ in second.events] == ["decision", "delta", "done"]
        assert second.events[1][1] == {"text": TEXT}
    else:
        assert second.body == first.body


async def test_an_accepted_job_is_not_started_twice() -> None:
    router = ScriptedRouter()
    app = application(router)
    body = {"input": "x", "mode": "async"}
    replies = [await call(app, "POST", "/inference", body, headers=KEY) for _ in range(2)]
    await app.drained(5.0)
    assert [reply.status for reply in replies] == [202, 202]
    assert replies[0].headers["location"] == replies[1].headers["location"]
    assert len(router.asked) == 1


async def test_another_body_is_a_conflict_and_another_tenant_is_not() -> None:
    app = application()
    await call(app, "POST", "/inference", {"input": "x"}, headers=KEY)
    assert (await call(app, "POST", "/inference", {"input": "y"}, headers=KEY)).status == 409
    assert (await call(app, "POST", "/inference", {"input": "y"}, headers=KEY, key=OTHER)).status == 200


async def test_a_duplicate_that_comes_meanwhile_waits_for_the_first() -> None:
    router = ScriptedRouter(wait_s=0.03)
    app = application(router)
    replies = await asyncio.gather(
        *(call(app, "POST", "/inference", {"input": "x"}, headers=KEY) for _ in range(5))
    )
    assert len(router.asked) == 1
    assert len({reply.body for reply in replies}) == 1


async def test_a_failure_is_not_remembered() -> None:
    router = ScriptedRouter(fails=UnavailableError("down"))
    app = application(router)
    assert (await call(app, "POST", "/inference", {"input": "x"}, headers=KEY)).status == 502
    router.fails = None
    assert (await call(app, "POST", "/inference", {"input": "x"}, headers=KEY)).status == 200


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "ü"])
async def test_a_key_that_is_no_key_is_refused(key: str) -> None:
    reply = await call(application(), "POST", "/inference", {"input": "x"}, headers={"idempotency-key": key})
    assert reply.status == 400


async def test_answers_are_forgotten_by_age_count_and_size_and_never_while_being_made() -> None:
    now = [0.0]
    kept = IdempotentAnswers(2, 100, lambda: now[0])
    small, large = (
        Answered(status=200, headers=[], body=b"x"),
        Answered(status=200, headers=[], body=b"x" * 101),
    )

    async def known(key: str) -> bool:
        found = await kept.claim("t", key, b"d")
        if found is None:
            kept.give_up("t", key)
        return found is not None

    for key in ("a", "b", "c"):
        assert await kept.claim("t", key, b"d") is None
        kept.keep("t", key, small)
    assert [await known(key) for key in ("a", "b", "c")] == [False, True, True]
    now[0] = KEEP_S + 1
    assert not await known("b")
    assert await kept.claim("t", "large", b"d") is None
    kept.keep("t", "large", large)
    assert not await known("large")
    assert await kept.claim("t", "running", b"d") is None
    now[0] += 2 * KEEP_S
    with pytest.raises(ConflictError):
        await kept.claim("t", "running", b"other")
