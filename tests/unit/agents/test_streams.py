"""Streams: invisible fallback before the first chunk, hand-off after it, and an error where neither is honest."""

from __future__ import annotations

from typing import Any

import pytest

from agents.assembly import Router
from router_core.errors import AllTargetsFailedError, TimeoutTargetError, UnavailableError
from router_core.execution import Chunk, Handoff, Usage
from router_core.inference import InferenceRequest, InferenceResponse, Opened, Params, StreamEvent
from tests.fakes import words
from tests.unit.agents.house import House, ask

CUT = UnavailableError("cut")
TOOLS = ({"type": "function", "function": {"name": "f", "parameters": {}}},)


async def collect(router: Router, request: InferenceRequest) -> list[StreamEvent]:
    return [event async for event in router.stream(request)]


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Chunk))


def response_of(events: list[StreamEvent]) -> InferenceResponse:
    assert isinstance(events[-1], InferenceResponse)
    return events[-1]


async def test_a_stream_opens_flows_and_ends_once() -> None:
    """Opened first, the chunks in order, one response last with the whole text and the reported usage."""
    usage = Usage(prompt_tokens=12, completion_tokens=3)
    events = await collect(House().build(mec=[words("a|b|c", usage=usage)]), ask(stream=True))
    assert isinstance(events[0], Opened) and (events[0].served.target, events[0].cache) == ("mec/a", "bypass")
    assert text_of(events) == "abc"
    assert sum(isinstance(event, InferenceResponse) for event in events) == 1
    response = response_of(events)
    assert response.output is not None and response.output.first.text == "abc"
    assert response.usage == usage


async def test_before_the_first_chunk_a_fallback_is_invisible() -> None:
    """A target that fails before it says anything is replaced without a trace in the stream."""
    events = await collect(House().build(mec=[[CUT]], cloud=[words("x|y")]), ask(stream=True))
    assert isinstance(events[0], Opened) and events[0].served.target == "cloud/pro"
    assert not any(isinstance(event, Handoff) for event in events)
    assert [a.target for a in response_of(events).attempts] == ["mec/a", "cloud/pro"]


@pytest.mark.parametrize("error", [CUT, TimeoutTargetError("silent for 15 s")])
async def test_a_dying_text_stream_goes_on_elsewhere(error: Exception) -> None:
    """The next target continues from the accepted text; the client reads one coherent answer."""
    house = House()
    rest = words("three |four", usage=Usage(prompt_tokens=30, completion_tokens=2))
    router = house.build(mec=[[*words("one |two ", finish=None), error]], cloud=[rest])
    events = await collect(router, ask(stream=True))
    assert text_of(events) == "one two three four"
    (handoff,) = [event for event in events if isinstance(event, Handoff)]
    assert (handoff.source, handoff.to, handoff.at_chars) == ("mec/a", "cloud/pro", 8)
    assert house.models["cloud/pro"].calls[0].continuation == "one two "
    response = response_of(events)
    assert response.handoff == handoff and response.served.target == "cloud/pro"


async def test_a_hand_off_counts_the_prompt_once_and_bills_both() -> None:
    """Usage has the prompt once and all output; cost is what each target wrote, at its own price."""
    house = House()
    rest = words("three", usage=Usage(prompt_tokens=30, completion_tokens=5))
    events = await collect(
        house.build(mec=[[*words("one two ", finish=None), CUT]], cloud=[rest]), ask(stream=True)
    )
    response = response_of(events)
    first, second = response.attempts
    assert response.usage.total_tokens == 30 + 5, (
        "what the second target read holds the accepted text already"
    )
    assert response.usage.prompt_tokens == first.usage.prompt_tokens
    assert response.cost_usd == pytest.approx(first.cost_usd + (30 * 1.0 + 5 * 4.0) / 1e6)
    assert second.cost_usd > 0


@pytest.mark.parametrize(
    "params",
    [
        Params(tools=TOOLS),
        Params(response_format={"type": "json_object"}),
        Params(extra={"n": 2}),
        Params(extra={"logprobs": True}),
    ],
)
async def test_what_cannot_be_continued_ends_in_an_error(params: Params) -> None:
    """Tools, JSON, several choices and log-probabilities are never stitched: the failure is shown."""
    router = House().build(mec=[[*words("{", finish=None), CUT]], cloud=[words("}")])
    seen: list[Any] = []
    with pytest.raises(AllTargetsFailedError):
        async for event in router.stream(ask(stream=True, params=params)):
            seen.append(event)
    assert text_of(seen) == "{"


async def test_an_empty_start_may_be_replaced_even_with_tools() -> None:
    """As long as nothing but an empty delta went out, any target may start over."""
    router = House().build(mec=[[Chunk(), CUT]], cloud=[words("ok")])
    events = await collect(router, ask(stream=True, params=Params(tools=TOOLS)))
    assert text_of(events) == "ok"


async def test_a_polite_end_without_a_finish_is_still_a_cut() -> None:
    """A stream that just stops is not taken for a whole answer."""
    router = House().build(mec=[words("half", finish=None)], cloud=[words(" more")])
    assert text_of(await collect(router, ask(stream=True))) == "half more"


async def test_a_break_after_the_finish_is_no_failure() -> None:
    """Once the finish reason is out the answer is complete, whatever the connection does then."""
    events = await collect(House().build(mec=[[*words("whole"), CUT]]), ask(stream=True))
    assert text_of(events) == "whole"
    assert [a.outcome for a in response_of(events).attempts] == ["ok"]


async def test_the_end_of_the_list_is_an_error_after_all_text() -> None:
    """When nobody can go on, the client gets what there was and then an error, never a silent end."""
    router = House().build(mec=[[*words("a", finish=None), CUT]], cloud=[[*words("b", finish=None), CUT]])
    seen: list[Any] = []
    with pytest.raises(AllTargetsFailedError):
        async for event in router.stream(ask(stream=True)):
            seen.append(event)
    assert text_of(seen).startswith("ab") and not isinstance(seen[-1], InferenceResponse)


async def test_a_client_that_leaves_closes_the_upstream() -> None:
    """Closing the stream closes the model's stream and records a cancelled request, billed for what was written."""
    house = House()
    router = house.build(mec=[[Chunk(text="a b c d"), 30.0]])
    stream = router.stream(ask(stream=True))
    await anext(stream)
    await anext(stream)
    await stream.aclose()
    assert house.models["mec/a"].closed == 1
    (outcome,) = house.events.of("outcome")
    assert (outcome["status"], outcome["usage"]["completion_tokens"] > 0) == ("cancelled", True)
    assert outcome["attempts"][0]["outcome"] == "cancelled"
    assert all(view.inflight == 0 for view in router.targets())


async def test_a_cached_answer_is_replayed_as_a_stream() -> None:
    """A hit gives the same grammar: opened, text, finish, response."""
    house = House()
    router = house.build(mec=[words("a|b")])
    request = ask(stream=True, params=Params(temperature=0))
    first, second = await collect(router, request), await collect(router, request)
    assert text_of(first) == text_of(second) == "ab"
    assert response_of(second).cache == "hit"
    assert [chunk.finish_reason for chunk in second if isinstance(chunk, Chunk)] == [None, "stop"]


async def test_a_continuation_never_writes_more_than_was_asked() -> None:
    """The next target's token limit is what is left of the caller's."""
    house = House()
    router = house.build(mec=[[*words("one two three four ", finish=None), CUT]], cloud=[words("five")])
    await collect(router, ask(stream=True, params=Params(max_tokens=50)))
    left = house.models["cloud/pro"].calls[0].params.max_tokens
    assert left is not None and 1 <= left < 50
