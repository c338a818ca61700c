"""Pace and faults of one answer: who is slower than whom, what a script overrides, where a fault strikes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.sandbox.faults import Step
from gateway.sandbox.pacing import EDGE, Pace, ScriptedStreamError, cloud_pace, paced
from gateway.sandbox.wire import ConnectionCutError

AT_ONCE = Pace(ttft_ms=0, token_ms=0)


def test_larger_models_are_slower_and_the_edge_starts_sooner_than_the_cloud() -> None:
    micro, pro = cloud_pace("eu.amazon.nova-micro-v1:0"), cloud_pace("eu.amazon.nova-pro-v1:0")
    assert micro.ttft_ms < pro.ttft_ms
    assert micro.token_ms < pro.token_ms
    assert EDGE.ttft_ms < micro.ttft_ms


def test_a_longer_prompt_waits_longer_unless_the_script_sets_the_time() -> None:
    assert EDGE.after_prompt(1_000, Step()).ttft_ms > EDGE.after_prompt(10, Step()).ttft_ms
    told = EDGE.after_prompt(1_000, Step(ttft_ms=7, token_ms=3))
    assert (told.ttft_ms, told.token_ms) == (7, 3)
    assert EDGE.scaled(0).after_prompt(1_000, Step()) == AT_ONCE


async def test_the_answer_takes_at_least_its_pace() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert [piece async for piece in paced("abc", Pace(ttft_ms=20, token_ms=10), Step())] == ["a", "b", "c"]
    # A lower bound only: sleeping never ends early, however loaded the machine is.
    assert loop.time() - start >= 0.039


@pytest.mark.parametrize(("after", "got"), [(0, ""), (2, "ab"), (3, "abc"), (9, "abc")])
@pytest.mark.parametrize(
    ("field", "error"), [("cut_after", ConnectionCutError), ("error_after", ScriptedStreamError)]
)
async def test_a_fault_strikes_after_that_many_pieces_or_at_the_end(
    field: str, error: type[Exception], after: int, got: str
) -> None:
    seen = ""
    step = Step(cut_after=after) if field == "cut_after" else Step(error_after=after)
    with pytest.raises(error):
        async for piece in paced("abc", AT_ONCE, step):
            seen += piece
    assert seen == got
