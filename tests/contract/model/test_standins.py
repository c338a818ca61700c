"""The adapters against the sandbox's stand-ins, which check signatures and request forms as the services do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from gateway.sandbox.processes import StandIns, start_standins
from router_core.adapters.models.bedrock import BedrockEmbedder, BedrockModel, bedrock_url
from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.openai_http import OpenAIModel
from router_core.adapters.models.sigv4 import AwsKeys, static_credentials
from router_core.adapters.models.vllm_probe import VllmProbe
from router_core.errors import ConfigurationError, RefusedError, TargetError, ThrottledError
from router_core.inference import Params
from router_core.ports import EmbedCall, Embedder, Model, ModelCall
from tests.contract.model.subjects import model_call

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
AS_JSON = Params(response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}})
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
EMBED = EmbedCall(request_id="r", model="m", inputs=("one", "two"), timeout_s=5.0)


@pytest.fixture(scope="module")
def standins() -> Iterator[StandIns]:
    running = start_standins(pace=0.0)
    yield running
    running.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One stand-in as the adapters see it; `stranger` has wrong keys."""

    model: Model
    stranger: Model
    embedder: Embedder
    url: str


@pytest.fixture(params=["mec", "cloud", "cloud without native schema"])
async def tier(request: pytest.FixtureRequest, standins: StandIns) -> AsyncIterator[Tier]:
    made = (
        _mec(standins) if request.param == "mec" else _cloud(standins, native="without" not in request.param)
    )
    pool, opened = made
    yield opened
    await pool.aclose()


def _mec(standins: StandIns) -> tuple[HttpPool, Tier]:
    url, key = standins.mec_urls[0], standins.mec_api_key
    pool = HttpPool(f"{url}/v1")
    model = OpenAIModel(pool, model="llama-3.1-8b", api_key=key)
    stranger = OpenAIModel(pool, model="llama-3.1-8b", api_key="wrong")
    embedder = OpenAIModel(pool, model="bge-small-en-v1.5", api_key=key)
    return pool, Tier(model=model, stranger=stranger, embedder=embedder, url=url)


def _cloud(standins: StandIns, *, native: bool) -> tuple[HttpPool, Tier]:
    pool = HttpPool(standins.bedrock_url)
    right = static_credentials(
        AwsKeys(access_key_id=standins.access_key_id, secret_access_key=standins.secret_access_key)
    )
    wrong = static_credentials(AwsKeys(access_key_id=standins.access_key_id, secret_access_key="wrong"))
    options: dict[str, Any] = {
        "model": "us.amazon.nova-lite-v1:0",
        "region": "us-east-1",
        "native_schema": native,
    }
    embedder = BedrockEmbedder(
        pool, model="amazon.titan-embed-text-v2:0", region="us-east-1", credentials=right
    )
    return pool, Tier(
        model=BedrockModel(pool, credentials=right, **options),
        stranger=BedrockModel(pool, credentials=wrong, **options),
        embedder=embedder,
        url=standins.bedrock_url,
    )


async def both(model: Model, call: ModelCall) -> tuple[str, str]:
    """Text of the whole answer and of the stream."""
    whole = (await model.generate(call)).choices[0].text or ""
    return whole, "".join([chunk.text async for chunk in model.stream(call)])


async def test_text(tier: Tier) -> None:
    whole, streamed = await both(tier.model, model_call())
    assert whole == streamed
    assert "stand-in" in whole


async def test_structured_output(tier: Tier) -> None:
    for text in await both(tier.model, model_call(AS_JSON)):
        assert set(orjson.loads(text)) == {"city"}


async def test_a_tool_call_and_the_answer_to_its_result(tier: Tier) -> None:
    asked = model_call(Params(tools=(TOOL,)), text="what is the weather?")
    call = (await tier.model.generate(asked)).choices[0].tool_calls[0]
    assert set(orjson.loads(call["function"]["arguments"])) == {"city"}
    history = (
        *asked.messages,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "rain"},
    )
    told = ModelCall(
        request_id="r", model="m", messages=history, params=Params(tools=(TOOL,)), task="chat", timeout_s=5.0
    )
    assert "rain" in ((await tier.model.generate(told)).choices[0].text or "")


async def test_an_image(tier: Tier) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    content = [{"type": "text", "text": "what is this?"}, image]
    call = ModelCall(
        request_id="r", model="m", messages=({"role": "user", "content": content},), params=Params(), task="chat", timeout_s=5.0
    )  # fmt: skip
    assert "1 image" in ((await tier.model.generate(call)).choices[0].text or "")


async def test_embeddings_are_one_vector_a_text(tier: Tier) -> None:
    answer = await tier.embedder.embed(EMBED)
    assert len(answer.vectors) == 2
    assert answer.vectors[0] != answer.vectors[1]
    assert answer.usage.prompt_tokens > 0


async def test_an_embedding_that_fails_fails_the_call(tier: Tier, standins: StandIns) -> None:
    step = {"status": 429, "retry_after": 2}
    await asyncio.to_thread(standins.script, tier.url, {"reset": True, "steps": {"*": [step]}})
    with pytest.raises(ThrottledError) as caught:
        await tier.embedder.embed(EMBED)
    assert caught.value.retry_after_s == 2.0
    await asyncio.to_thread(standins.script, tier.url, {"reset": True})


async def test_wrong_keys_are_refused(tier: Tier) -> None:
    with pytest.raises(RefusedError):
        await tier.stranger.generate(model_call())
    with pytest.raises(TargetError):
        await anext(tier.stranger.stream(model_call()))


async def test_the_probe_reads_the_node(standins: StandIns) -> None:
    pool = HttpPool(f"{standins.mec_urls[0]}/v1")
    await OpenAIModel(pool, model="llama-3.1-8b", api_key=standins.mec_api_key).generate(model_call())
    reading = await VllmProbe(pool, "llama-3.1-8b", api_key=standins.mec_api_key).probe()
    await pool.aclose()
    assert reading.up
    assert "llama-3.1-8b" in reading.models
    assert (reading.running, reading.waiting) == (0, 0)
    assert (reading.requests_total or 0) >= 1
    assert (reading.ttft_count or 0) >= 1
    assert (reading.prefix_queries or 0) > 0


def test_the_services_address_follows_the_region() -> None:
    assert bedrock_url("eu-central-1") == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert bedrock_url("cn-north-1").endswith(".amazonaws.com.cn")
    for region in ("", "eu", "evil.example#", "eu-central-1.evil.example/"):
        with pytest.raises(ConfigurationError):
            bedrock_url(region)
