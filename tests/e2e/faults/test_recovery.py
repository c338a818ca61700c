"""A target that asks for patience gets it, and its answer is then used."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.faults.asking import ask, body_of
from tests.e2e.faults.house import RECOVERING, House
from tests.e2e.faults.test_matrix import FULL
from tests.upstream.server import Fault

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("faults")]
ASKED_S = 1.0


@pytest.mark.parametrize("form", ["inference", "chat_stream"])
@pytest.mark.parametrize("target", RECOVERING)
def test_retry_after_is_waited_for_and_the_second_answer_used(house: House, target: str, form: str) -> None:
    upstream = house.upstreams[target]
    house.wait_open(target)
    before = len(upstream.requests)
    upstream.next(Fault(kind="status", status=429, retry_after=f"{ASKED_S:g}"))

    async def asked() -> str:
        async with house.client() as client:
            told = await ask(client, form, body_of(form, target, helped=False))
        assert (told.status, told.ended, told.grammar) == (200, True, [])
        return told.text

    assert asyncio.run(asked()) == FULL
    first, second = upstream.requests[before:]
    assert second.arrived_at - first.arrived_at >= ASKED_S


@pytest.mark.parametrize("form", ["inference", "inference_sse", "chat", "chat_stream"])
@pytest.mark.parametrize("target", RECOVERING)
def test_one_failure_is_followed_by_the_whole_answer(house: House, target: str, form: str) -> None:
    """Alone, a target that fails once is asked again; a stream goes on behind its last word."""
    upstream = house.upstreams[target]
    house.wait_open(target)
    before = len(upstream.requests)
    upstream.next(Fault(kind="cut_after", tokens=4, reset=True))

    async def asked() -> str:
        async with house.client() as client:
            told = await ask(client, form, body_of(form, target, helped=False))
        assert (told.status, told.ended, told.error, told.grammar) == (200, True, None, [])
        return told.text

    assert asyncio.run(asked()) == FULL
    assert len(upstream.requests) == before + 2
