"""A client that leaves stops the work behind it, within a second, and is billed for what was written until then."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.e2e.faults.asking import PROMPT_WORDS, body_of, path_of
from tests.e2e.faults.house import ENDLESS, House, until
from tests.upstream.server import Exchange, FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("faults")]
SECOND = 1.0
"""The promise: so soon the target sees that nobody listens any more."""
UNANSWERED = ("mec/past-deadline", "cloud/past-deadline")
WORDS_READ = 5


def marked(form: str, target: str) -> tuple[dict[str, Any], str]:
    """A request that can be recognised at its target."""
    body = body_of(form, target, helped=False)
    mark = f"leaving-{form}-{target.replace('/', '-')}"
    body["messages"][0]["content"] += f" {mark}"
    return body, mark


def arrived(upstream: FaultServer, mark: str) -> Exchange | None:
    return next((one for one in upstream.requests if mark.encode() in one.body), None)


@pytest.mark.parametrize("form", ["inference_sse", "chat_stream"])
@pytest.mark.parametrize("target", ENDLESS)
def test_leaving_a_stream_closes_the_targets_connection(house: House, target: str, form: str) -> None:
    upstream = house.upstreams[target]
    body, mark = marked(form, target)

    async def read_a_little_and_leave() -> tuple[str, int, float]:
        words = 0
        async with house.client() as client, client.stream("POST", path_of(form), json=body) as reply:
            async for line in reply.aiter_lines():
                words += '"text":' in line or '"content":"w' in line or '"content":" w' in line
                if words >= WORDS_READ:
                    break
            request_id = reply.headers["x-tierwise-request-id"]
        return request_id, words, time.monotonic()

    request_id, words, left_at = asyncio.run(read_a_little_and_leave())
    assert words == WORDS_READ
    exchange = _closed(upstream, mark)
    assert exchange.closed_at is not None
    assert exchange.closed_at - left_at < SECOND
    record = _outcome(house, request_id)
    assert record["status"] == "cancelled"
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["cancelled"]
    assert words <= 2 * record["usage"]["completion_tokens"] <= 4 * exchange.tokens_sent
    assert PROMPT_WORDS / 2 < record["usage"]["prompt_tokens"] < PROMPT_WORDS * 2
    assert record["cost_usd"] > 0


@pytest.mark.parametrize("form", ["inference", "chat", "inference_sse", "chat_stream"])
@pytest.mark.parametrize("target", UNANSWERED)
def test_leaving_before_the_answer_closes_the_targets_connection(
    house: House, target: str, form: str
) -> None:
    upstream = house.upstreams[target]
    body, mark = marked(form, target)

    async def ask_and_leave() -> float:
        async with house.client() as client:
            asking = asyncio.create_task(client.post(path_of(form), json=body))
            assert await asyncio.to_thread(upstream.wait_until, lambda one: arrived(one, mark))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        return time.monotonic()

    left_at = asyncio.run(ask_and_leave())
    exchange = _closed(upstream, mark)
    assert exchange.closed_at is not None
    assert exchange.closed_at - left_at < SECOND


def test_nothing_stays_in_flight(house: House) -> None:
    """Whatever ended however: no target is left with a request that nobody waits for."""

    def inflight() -> float:
        return sum(
            value for (name, *_), value in house.metrics().items() if name == "tierwise_target_inflight"
        )

    until(lambda: inflight() == 0)


def _closed(upstream: FaultServer, mark: str) -> Exchange:
    def seen(_: FaultServer) -> bool:
        exchange = arrived(upstream, mark)
        return exchange is not None and exchange.closed_at is not None

    assert upstream.wait_until(seen), "the target never saw that the client had left"
    found = arrived(upstream, mark)
    assert found is not None
    return found


def _outcome(house: House, request_id: str) -> dict[str, Any]:
    until(lambda: request_id in house.records("outcome"))
    return house.records("outcome")[request_id]
