"""What every `Model` promises about answers, whatever speaks behind it."""

from __future__ import annotations

import asyncio

import pytest

from router_core.execution import Chunk, Usage
from router_core.inference import Params
from router_core.ports import ModelCall
from tests.contract.model.subjects import Subject, model_call
from tests.upstream.server import Fault, FaultServer

TOOL = {
    "type": "function",
    "function": {
        "name": "act",
        "description": "acts",
        "parameters": {"type": "object", "properties": {"value": {"type": "string"}}},
    },
}


async def chunks_of(subject: Subject, call: ModelCall) -> list[Chunk]:
    return [chunk async for chunk in subject.model.stream(call)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


async def test_an_answer_has_text_a_finish_reason_and_usage(subject: Subject) -> None:
    answer = await subject.model.generate(model_call())
    assert [choice.finish_reason for choice in answer.choices] == ["stop"]
    assert answer.choices[0].text
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert not answer.usage.estimated


async def test_a_stream_joins_to_the_text_and_usage_of_the_whole_answer(subject: Subject) -> None:
    whole = await subject.model.generate(model_call())
    chunks = await chunks_of(subject, model_call())
    assert text_of(chunks) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


async def test_a_stream_ends_with_one_finish_reason_and_then_usage(subject: Subject) -> None:
    chunks = await chunks_of(subject, model_call())
    assert len(chunks) > 3
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert [number for number, chunk in enumerate(chunks) if chunk.usage] == [len(chunks) - 1]
    assert chunks[-2].finish_reason == "stop"


async def test_a_token_limit_shows_as_the_finish_reason(subject: Subject) -> None:
    limited = model_call(Params(max_tokens=3, temperature=0.0))
    assert (await subject.model.generate(limited)).choices[0].finish_reason == "length"
    assert [c.finish_reason for c in await chunks_of(subject, limited) if c.finish_reason] == ["length"]


@pytest.mark.parametrize("blank", ["", " "], ids=["at a word's end", "behind a blank"])
async def test_a_continuation_holds_only_what_follows(subject: Subject, blank: str) -> None:
    """Accepted text and continuation join to the text that one target would have given."""
    full = (await subject.model.generate(model_call())).choices[0].text or ""
    accepted = " ".join(full.split(" ")[:4]) + blank
    following = model_call(continuation=accepted)
    assert accepted + ((await subject.model.generate(following)).choices[0].text or "") == full
    assert accepted + text_of(await chunks_of(subject, following)) == full


async def test_tool_calls_of_a_stream_join_to_the_whole_answers(remote: Subject) -> None:
    """The first fragment names the call, the others hold arguments alone."""
    call = model_call(Params(tools=(TOOL,)))
    whole = (await remote.model.generate(call)).choices[0]
    chunks = await chunks_of(remote, call)
    fragments = [fragment for chunk in chunks for fragment in chunk.tool_calls]
    assert whole.finish_reason == "tool_calls"
    assert fragments[0]["id"] == whole.tool_calls[0]["id"]
    assert fragments[0]["function"]["name"] == whole.tool_calls[0]["function"]["name"] == "act"
    assert {fragment["index"] for fragment in fragments} == {0}
    assert all(set(fragment) == {"index", "function"} for fragment in fragments[1:])
    joined = "".join(fragment["function"]["arguments"] for fragment in fragments)
    assert joined.replace(" ", "") == whole.tool_calls[0]["function"]["arguments"].replace(" ", "")


async def test_many_calls_at_once_each_get_their_own_answer(subject: Subject) -> None:
    calls = [model_call(Params(max_tokens=1 + number % 5, temperature=0.0)) for number in range(20)]
    answers = await asyncio.gather(*(subject.model.generate(call) for call in calls))
    alone = [await subject.model.generate(call) for call in calls[:5]]
    assert [answer.choices[0].text for answer in answers] == [a.choices[0].text for a in alone] * 4


# ---- leaving ---------------------------------------------------------------------------------------------------------


async def hung_up(upstream: FaultServer) -> bool:
    """The upstream noticed within a second that nobody wants its answer any more."""
    return await asyncio.to_thread(upstream.wait_closed, 1.0)


@pytest.mark.parametrize("kind", ["half_open", "stall_after"])
async def test_cancelling_a_whole_answer_reaches_the_upstream(remote: Subject, kind: str) -> None:
    assert remote.upstream is not None
    remote.upstream.next(Fault(kind="half_open") if kind == "half_open" else Fault(kind="stall_after"))
    task = asyncio.create_task(remote.model.generate(model_call()))
    assert await asyncio.to_thread(remote.upstream.wait_until, lambda server: server.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await hung_up(remote.upstream)


async def test_closing_a_stream_early_reaches_the_upstream(remote: Subject) -> None:
    assert remote.upstream is not None
    remote.upstream.next(Fault(length=10_000, token_delay_s=0.01))
    stream = remote.model.stream(model_call())
    assert (await anext(stream)).text
    await stream.aclose()
    assert await hung_up(remote.upstream)


async def test_cancelling_the_reader_of_a_stream_reaches_the_upstream(remote: Subject) -> None:
    assert remote.upstream is not None
    remote.upstream.next(Fault(kind="stall_after", tokens=2))
    reading = asyncio.create_task(chunks_of(remote, model_call()))
    assert await asyncio.to_thread(
        remote.upstream.wait_until, lambda server: server.requests and server.requests[0].tokens_sent == 2
    )
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await hung_up(remote.upstream)


async def test_a_target_is_usable_after_a_caller_left(remote: Subject) -> None:
    assert remote.upstream is not None
    remote.upstream.next(Fault(kind="stall_after", tokens=2))
    stream = remote.model.stream(model_call())
    await anext(stream)
    await stream.aclose()
    answer = await remote.model.generate(model_call())
    assert answer.usage == Usage(prompt_tokens=3, completion_tokens=10)
