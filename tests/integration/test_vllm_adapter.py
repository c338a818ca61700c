"""What the adapters take for granted about vLLM is true of a real one: answers, streams, continuation, refusals, figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.openai_http import OpenAIModel
from router_core.adapters.models.vllm_probe import VllmProbe
from router_core.errors import RefusedError, UnavailableError
from router_core.execution import Chunk
from router_core.inference import Params
from router_core.ports import EmbedCall, ModelCall
from tests.integration.counting import (
    API_KEY,
    CONTEXT_TOKENS,
    LAST,
    PROMPT_TOKENS,
    QUESTION,
    SERVED_NAME,
    count,
)
from tests.integration.vllm_node import VllmNode

pytestmark = [pytest.mark.integration, pytest.mark.server, pytest.mark.timeout(900)]
WITHIN_S = 60.0


@pytest.fixture
async def pool(nodes: tuple[VllmNode, ...]) -> AsyncIterator[HttpPool]:
    pool = HttpPool(f"{nodes[0].url}/v1", max_connections=8)
    yield pool
    await pool.aclose()


@pytest.fixture
def model(pool: HttpPool) -> OpenAIModel:
    return OpenAIModel(pool, model=SERVED_NAME, api_key=API_KEY)


def call(text: str = QUESTION, continuation: str | None = None, **params: Any) -> ModelCall:
    return ModelCall(
        request_id="integration",
        model=SERVED_NAME,
        messages=({"role": "user", "content": text},),
        params=Params(**params),
        task="chat",
        timeout_s=WITHIN_S,
        continuation=continuation,
    )


async def collected(model: OpenAIModel, asked: ModelCall) -> list[Chunk]:
    return [chunk async for chunk in model.stream(asked)]


async def test_answers_with_the_text_the_reason_and_the_tokens_of_the_node(model: OpenAIModel) -> None:
    """A whole answer carries the node's own count of tokens, not an estimate."""
    answer = await model.generate(call(max_tokens=20))

    assert answer.choices[0].text == count(1, 20)
    assert answer.choices[0].finish_reason == "length"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (PROMPT_TOKENS, 20)
    assert not answer.usage.estimated


async def test_streams_the_whole_count_to_its_natural_end(model: OpenAIModel) -> None:
    """Nine hundred chunks join to the text without a gap, one finish reason, the usage once and last."""
    chunks = await collected(model, call())

    assert "".join(chunk.text for chunk in chunks) == count()
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    usage = chunks[-1].usage
    assert usage is not None and (usage.prompt_tokens, usage.completion_tokens) == (PROMPT_TOKENS, LAST + 1)


@pytest.mark.parametrize("streams", [False, True])
async def test_continues_from_the_accepted_text(model: OpenAIModel, streams: bool) -> None:
    """A continuation goes on behind the given text, with the blank at the seam, and does not start anew."""
    asked = call(continuation=count(1, 41), max_tokens=9)
    if streams:
        text = "".join(chunk.text for chunk in await collected(model, asked))
    else:
        text = (await model.generate(asked)).choices[0].text or ""

    assert text == " " + count(42, 50)


async def test_the_same_text_as_an_ended_message_starts_anew(model: OpenAIModel) -> None:
    """The control: without the continuation flags the node takes the text for an earlier turn."""
    earlier = ({"role": "user", "content": QUESTION}, {"role": "assistant", "content": count(1, 41)})
    asked = call(max_tokens=3)
    answer = await model.generate(
        ModelCall(
            request_id=asked.request_id,
            model=asked.model,
            messages=earlier,
            params=asked.params,
            task=asked.task,
            timeout_s=asked.timeout_s,
        )
    )

    assert answer.choices[0].text == count(1, 3)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (call("word " * 2 * CONTEXT_TOKENS), "maximum context length"),
        (call(max_tokens=2 * CONTEXT_TOKENS), "max_tokens"),
        (
            call(
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "no"}},
                }
            ),
            "no",
        ),
        (call(tools=({"type": "function", "function": {"name": "f", "parameters": {}}},)), "status 400"),
    ],
    ids=["prompt-too-long", "too-many-tokens-asked", "impossible-schema", "tools-not-enabled"],
)
@pytest.mark.parametrize("streams", [False, True])
async def test_what_the_node_cannot_do_is_refused_with_its_reason(
    model: OpenAIModel, asked: ModelCall, said: str, streams: bool
) -> None:
    """A 400 of the node is a refusal that says why; another node would say the same. vLLM finds an impossible schema only
    after it has begun the stream, and reports it there, behind a status of 200."""
    with pytest.raises(RefusedError, match=said):
        await (collected(model, asked) if streams else model.generate(asked))


async def test_embeddings_of_a_node_without_them_are_refused(model: OpenAIModel) -> None:
    """vLLM has no such path for a generating model: its bare 404 is a refusal and not an outage."""
    asked = EmbedCall(request_id="e", model=SERVED_NAME, inputs=("text",), timeout_s=WITHIN_S)
    with pytest.raises(RefusedError, match="404"):
        await model.embed(asked)


async def test_an_unknown_model_is_refused_by_name(pool: HttpPool) -> None:
    """A target whose settings name a model that the node doesn't serve says so."""
    with pytest.raises(RefusedError, match="does not exist"):
        await OpenAIModel(pool, model="other", api_key=API_KEY).generate(call())


@pytest.mark.parametrize("key", ["wrong-test-key", None])
async def test_a_wrong_key_is_refused_without_showing_it(pool: HttpPool, key: str | None) -> None:
    """vLLM's 401 has a form of its own; the refusal names the status and neither key."""
    with pytest.raises(RefusedError, match="401") as refused:
        await OpenAIModel(pool, model=SERVED_NAME, api_key=key).generate(call())

    assert "test-key" not in str(refused.value)


async def test_a_closed_stream_frees_its_slot(model: OpenAIModel, nodes: tuple[VllmNode, ...]) -> None:
    """A caller that leaves stops the work on the node: it idles long before the count would have ended."""
    before = nodes[0].metrics()["vllm:generation_tokens_total"]
    async with aclosing(model.stream(call())) as chunks:
        async for chunk in chunks:
            if " 5" in chunk.text:
                break
    await asyncio.to_thread(nodes[0].wait_idle)

    assert nodes[0].metrics()["vllm:generation_tokens_total"] - before < LAST


async def test_the_probe_reads_an_idle_node(pool: HttpPool) -> None:
    """Every figure the router uses is on the real page, under the names that are looked for."""
    reading = await VllmProbe(pool, SERVED_NAME, api_key=API_KEY).probe()

    assert reading.up and reading.models == (SERVED_NAME,)
    assert (reading.running, reading.waiting, reading.kv_usage) == (0, 0, 0.0)
    for counter in (reading.requests_total, reading.ttft_sum_s, reading.ttft_count):
        assert counter is not None and counter >= 0
    assert reading.prefix_queries is not None and reading.prefix_hits is not None


async def test_the_probe_counts_requests_first_tokens_and_prefix_hits(
    pool: HttpPool, model: OpenAIModel
) -> None:
    """Two equal long prompts: two requests, two first tokens, and the second prompt's full blocks are hits."""
    probe = VllmProbe(pool, SERVED_NAME, api_key=API_KEY)
    before = await probe.probe()
    for _ in range(2):
        await model.generate(call(count(), max_tokens=1))
    await asyncio.sleep(0.1)
    after = await probe.probe()

    def grown(figure: str) -> float:
        return float(getattr(after, figure) - getattr(before, figure))

    assert (grown("requests_total"), grown("ttft_count")) == (2, 2)
    assert grown("ttft_sum_s") > 0
    assert LAST < grown("prefix_hits") + 128 <= grown("prefix_queries")


async def test_the_probe_finds_nothing_served_under_another_name(pool: HttpPool) -> None:
    """A target whose settings name a model that the node doesn't serve is down, and the reason is told."""
    reading = await VllmProbe(pool, "other", api_key=API_KEY).probe()

    assert not reading.up and "not served" in reading.detail


async def test_an_engine_that_dies_ends_the_stream_with_an_error(
    model: OpenAIModel, nodes: tuple[VllmNode, ...]
) -> None:
    """vLLM reports its dead engine in the stream, then sends [DONE]: that is an error and not a short answer, and what
    came before is passed on."""
    text = ""
    with pytest.raises(UnavailableError):
        async for chunk in model.stream(call()):
            text += chunk.text
            if text.endswith(" 30"):
                nodes[0].kill_engine()

    assert count().startswith(text) and " 30" in text
