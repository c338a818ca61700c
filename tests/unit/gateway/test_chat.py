"""Chat completions in OpenAI's form: shapes its own client accepts, and the grammar of its streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from router_core.errors import UnavailableError
from router_core.execution import Choice, Chunk, Handoff, Output
from router_core.inference import InferenceRequest
from tests.unit.gateway.asgi import Reply, application, call
from tests.unit.gateway.scripted import TEXT, ScriptedRouter

CALL = {"id": "call_1", "type": "function", "function": {"name": "lights", "arguments": '{"on": false}'}}
Pieces = Callable[[InferenceRequest], list[Chunk | Handoff]]


async def chat(router: ScriptedRouter, **fields: Any) -> Reply:
    body = {"model": "auto", "messages": [{"role": "user", "content": "x"}], **fields}
    reply = await call(application(router), "POST", "/v1/chat/completions", body)
    assert reply.status == 200, reply.body
    return reply


def chunks(reply: Reply) -> list[dict[str, Any]]:
    """Every chunk, accepted by the client's type; the stream must end with one `[DONE]`."""
    data = [data for _, data in reply.events]
    assert data.count("[DONE]") == 1
    assert data[-1] == "[DONE]"
    for chunk in data[:-1]:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    return data[:-1]


def check_grammar(found: list[dict[str, Any]], choices: int) -> None:
    """Role first, one finish per choice and nothing for it afterwards."""
    for index in range(choices):
        own = [c for chunk in found for c in chunk["choices"] if c["index"] == index]
        assert own[0]["delta"]["role"] == "assistant"
        assert all("role" not in choice["delta"] for choice in own[1:])
        reasons = [choice["finish_reason"] for choice in own]
        assert reasons.count(None) == len(reasons) - 1
        assert reasons[-1] is not None
    assert {c["index"] for chunk in found for c in chunk["choices"]} == set(range(choices))
    assert all(len(chunk["choices"]) <= 1 for chunk in found)


def text_of(found: list[dict[str, Any]], index: int = 0) -> str:
    own = [c for chunk in found for c in chunk["choices"] if c["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in own)


@pytest.mark.parametrize("n", [1, 3])
async def test_a_completion_has_openais_shape(n: int) -> None:
    reply = await chat(ScriptedRouter(), n=n)
    found = ChatCompletion.model_validate(reply.json, strict=True)
    assert [choice.message.content for choice in found.choices] == [TEXT] * n
    assert found.usage is not None
    assert (found.usage.total_tokens, found.model) == (14, "llama-3.1-8b")
    assert found.id.removeprefix("chatcmpl-") == reply.headers["x-tierwise-request-id"].removeprefix("req_")
    assert reply.headers["x-tierwise-cost-usd"] == "0.00001200"


async def test_tool_calls_logprobs_refusal_and_reasoning_keep_their_places() -> None:
    choice = Choice(text=None, tool_calls=(CALL,), finish_reason="tool_calls", refusal="no", reasoning="because",
                    logprobs={"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]})  # fmt: skip
    reply = await chat(ScriptedRouter(output=lambda _: Output(choices=(choice,))), logprobs=True)
    found = ChatCompletion.model_validate(reply.json).choices[0]
    assert (found.finish_reason, found.message.content, found.message.refusal) == ("tool_calls", None, "no")
    assert reply.json["choices"][0]["message"]["tool_calls"] == [CALL]
    assert reply.json["choices"][0]["message"]["reasoning_content"] == "because"
    assert found.logprobs is not None


@pytest.mark.parametrize("n", [1, 3])
async def test_a_stream_follows_the_grammar_for_every_choice(n: int) -> None:
    found = chunks(await chat(ScriptedRouter(), stream=True, n=n))
    check_grammar(found, n)
    assert [text_of(found, index) for index in range(n)] == [TEXT] * n
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in found}) == 1


async def test_the_usage_chunk_comes_last_and_only_when_asked_for() -> None:
    asked = chunks(await chat(ScriptedRouter(), stream=True, stream_options={"include_usage": True}))
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["total_tokens"] == 14
    assert asked[-1]["tierwise"] == {
        "tier": "mec",
        "target": "mec/edge-a",
        "cost_usd": 0.000012,
        "handoff": None,
    }
    assert all(chunk["usage"] is None for chunk in asked[:-1])
    for options in (None, {}, {"include_usage": False}):
        plain = chunks(await chat(ScriptedRouter(), stream=True, stream_options=options))
        assert all("usage" not in chunk and chunk["choices"] for chunk in plain)


def tool_pieces(_: InferenceRequest) -> list[Chunk | Handoff]:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "lights", "arguments": ""}}
    parts = ['{"on"', ": fal", "se}"]
    deltas = [{"index": 0, "function": {"arguments": part}} for part in parts]
    return [*(Chunk(tool_calls=(delta,)) for delta in (first, *deltas)), Chunk(finish_reason="tool_calls")]


async def test_a_streamed_tool_call_has_one_index_and_arguments_that_join_to_json() -> None:
    found = chunks(await chat(ScriptedRouter(pieces=tool_pieces), stream=True))
    check_grammar(found, 1)
    deltas = [d for chunk in found for c in chunk["choices"] for d in c["delta"].get("tool_calls", [])]
    assert {delta["index"] for delta in deltas} == {0}
    assert json.loads("".join(delta["function"]["arguments"] for delta in deltas)) == {"on": False}


def late(_: InferenceRequest) -> list[Chunk | Handoff]:
    return [Chunk(text="a", finish_reason="stop"), Chunk(text="late"), Chunk(finish_reason="length")]


def unfinished(_: InferenceRequest) -> list[Chunk | Handoff]:
    return [Chunk(text="a")]


def silent(_: InferenceRequest) -> list[Chunk | Handoff]:
    return []


def handed(_: InferenceRequest) -> list[Chunk | Handoff]:
    return [
        Chunk(text="a"),
        Handoff(source="mec/edge-a", to="mec/edge-b", at_chars=1),
        Chunk(finish_reason="stop"),
    ]


@pytest.mark.parametrize(("pieces", "text"), [(late, "a"), (unfinished, "a"), (silent, ""), (handed, "a")])
async def test_the_grammar_holds_whatever_a_tier_sends(pieces: Pieces, text: str) -> None:
    found = chunks(await chat(ScriptedRouter(pieces=pieces), stream=True))
    check_grammar(found, 1)
    assert text_of(found) == text


@pytest.mark.parametrize("error", [UnavailableError("cut after 2 tokens"), RuntimeError("canary")])
async def test_a_stream_that_dies_says_so_and_neither_finishes_nor_is_done(error: Exception) -> None:
    reply = await chat(ScriptedRouter(breaks=error, pieces=unfinished), stream=True)
    data = [data for _, data in reply.events]
    assert set(data[-1]) == {"error"}
    assert "[DONE]" not in data
    assert all(c["finish_reason"] is None for chunk in data[:-1] for c in chunk["choices"])
    assert b"canary" not in reply.body


async def test_text_that_looks_like_an_event_cannot_become_one() -> None:
    nasty = 'x\n\ndata: [DONE]\n\nevent: done\r\n\u2028"}]}'
    found = chunks(
        await chat(ScriptedRouter(pieces=lambda _: [Chunk(text=nasty, finish_reason="stop")]), stream=True)
    )
    assert text_of(found) == nasty
