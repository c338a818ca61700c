"""Bedrock's guardrails over the wire: `ApplyGuardrail`, a guardrail inside Converse, and prompt-cache points."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.sandbox.processes import StandIns
from router_core.adapters.guards.bedrock_guardrail import MOST_PIECES, PIECE_CHARS, BedrockGuardrail
from router_core.adapters.models.bedrock import BedrockModel
from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.sigv4 import AwsKeys, static_credentials
from router_core.adapters.wire.bedrock_extras import ConverseExtras
from router_core.errors import NotTakenError, TargetError
from router_core.inference import Params
from router_core.ports import GuardCall, ModelCall

MODEL = "amazon.nova-lite-v1:0"
TOOL = {"type": "function", "function": {"name": "note", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
async def pool(bedrock: StandIns) -> AsyncIterator[HttpPool]:
    bedrock.script(bedrock.bedrock_url, {"reset": True})
    opened = HttpPool(bedrock.bedrock_url)
    yield opened
    await opened.aclose()


def _keys(bedrock: StandIns) -> AwsKeys:
    return AwsKeys(access_key_id=bedrock.access_key_id, secret_access_key=bedrock.secret_access_key)


def _guard(pool: HttpPool, bedrock: StandIns, guardrail: str = "gr123") -> BedrockGuardrail:
    return BedrockGuardrail(
        pool,
        guardrail=guardrail,
        version="DRAFT",
        region="us-east-1",
        credentials=static_credentials(_keys(bedrock)),
        timeout_s=5.0,
    )


def _model(pool: HttpPool, bedrock: StandIns, extras: ConverseExtras) -> BedrockModel:
    return BedrockModel(
        pool, model=MODEL, region="us-east-1", credentials=static_credentials(_keys(bedrock)), extras=extras
    )


def _call(*texts: str, params: Params | None = None) -> ModelCall:
    roles = ("user", "assistant")
    turns = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
    return ModelCall(
        request_id="r",
        model=MODEL,
        messages=({"role": "system", "content": "be brief"}, *turns),
        params=params or Params(max_tokens=64),
        task="chat",
        timeout_s=10.0,
    )


def _bodies(bedrock: StandIns) -> list[Any]:
    return [json.loads(one["body"]) for one in bedrock.seen(bedrock.bedrock_url)["last"]]


async def test_an_arn_is_a_name_too_and_an_unknown_one_is_an_error(pool: HttpPool, bedrock: StandIns) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/gr123"
    assert (await _guard(pool, bedrock, arn).judge(GuardCall(text="forbidden-fruit"))).categories == {
        "word": 1.0
    }
    with pytest.raises(TargetError):
        await _guard(pool, bedrock, "gone1").judge(GuardCall(text="hello"))


async def test_long_texts_go_in_pieces_that_overlap(pool: HttpPool, bedrock: StandIns) -> None:
    at_the_border = "x" * (PIECE_CHARS - 6) + "forbidden-fruit" + "y" * PIECE_CHARS
    assert (await _guard(pool, bedrock).judge(GuardCall(text=at_the_border))).flagged
    assert len(_bodies(bedrock)) == 3
    with pytest.raises(NotTakenError):
        await _guard(pool, bedrock).judge(GuardCall(text="x" * PIECE_CHARS * (MOST_PIECES + 1)))


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_guardrail_inside_converse_ends_as_content_filter(
    pool: HttpPool, bedrock: StandIns, mode: str
) -> None:
    model = _model(pool, bedrock, ConverseExtras(guardrail="gr123", version="2", stream_mode=mode))
    answer = await model.generate(_call("tell me of forbidden-fruit"))
    assert answer.choices[0].finish_reason == "content_filter"
    chunks = [chunk async for chunk in model.stream(_call("tell me of forbidden-fruit"))]
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["content_filter"]
    whole, streamed = _bodies(bedrock)
    assert whole["guardrailConfig"] == {"guardrailIdentifier": "gr123", "guardrailVersion": "2"}
    assert streamed["guardrailConfig"] == {**whole["guardrailConfig"], "streamProcessingMode": mode}


async def test_what_the_guardrail_does_not_mind_is_answered(pool: HttpPool, bedrock: StandIns) -> None:
    model = _model(pool, bedrock, ConverseExtras(guardrail="gr123"))
    assert (await model.generate(_call("what is two plus two", params=Params(max_tokens=2000)))).choices[
        0
    ].finish_reason == "stop"


async def test_cache_points_stand_behind_what_the_next_call_repeats(
    pool: HttpPool, bedrock: StandIns
) -> None:
    extras = ConverseExtras(cache_points=("system", "tools", "messages"))
    model = _model(pool, bedrock, extras)
    await model.generate(_call("one", "two", "three", params=Params(max_tokens=64, tools=(TOOL,))))
    (body,) = _bodies(bedrock)
    point = {"cachePoint": {"type": "default"}}
    assert body["system"] == [{"text": "be brief"}, point]
    assert body["toolConfig"]["tools"][-1] == point
    assert body["messages"][0]["content"] == [{"text": "one"}, point]
    assert body["messages"][-1]["content"] == [{"text": "three"}]
    bedrock.script(bedrock.bedrock_url, {"reset": True})
    await model.generate(_call("alone"))
    assert "cachePoint" not in json.dumps(_bodies(bedrock)[0]["messages"])
