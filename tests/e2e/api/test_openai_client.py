"""OpenAI's own Python client, unchanged, against the application on a socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionUserMessageParam
from openai.types.shared_params.response_format_json_schema import JSONSchema

from router_core.errors import NoPermittedTargetError, UnavailableError
from router_core.execution import Choice, Output
from router_core.inference import InferenceRequest
from tests.e2e.api.serving import served
from tests.unit.gateway.asgi import USER, application
from tests.unit.gateway.scripted import TEXT, ScriptedRouter, text_output
from tests.unit.gateway.test_chat import CALL, tool_pieces

HELLO: ChatCompletionUserMessageParam = {"role": "user", "content": "hello"}
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "lights", "parameters": {"type": "object"}},
}


@asynccontextmanager
async def client(router: ScriptedRouter | None = None, key: str = USER) -> AsyncIterator[AsyncOpenAI]:
    """A client of a served application; it doesn't retry, so that one failure is one call."""
    async with (
        served(application(router)) as there,
        AsyncOpenAI(base_url=f"{there.url}/v1", api_key=key, max_retries=0) as made,
    ):
        yield made


async def test_chat() -> None:
    router = ScriptedRouter()
    async with client(router) as made:
        answer = await made.chat.completions.create(
            model="auto",
            messages=[HELLO],
            extra_body={"tierwise": {"privacy": {"level": "restricted"}}},
        )
    assert answer.choices[0].message.content == TEXT
    assert router.asked[0].privacy.level == "restricted"


async def test_chat_stream_with_the_clients_own_accumulation() -> None:
    async with (
        client() as made,
        made.chat.completions.stream(
            model="auto", messages=[HELLO], stream_options={"include_usage": True}
        ) as stream,
    ):
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert kinds.count("content.done") == 1
    assert final.choices[0].message.content == TEXT
    assert final.usage is not None
    assert final.usage.total_tokens == 14


async def test_streamed_tool_calls() -> None:
    router = ScriptedRouter(
        pieces=tool_pieces,
        output=lambda _: Output(choices=(Choice(tool_calls=(CALL,), finish_reason="tool_calls"),)),
    )
    async with (
        client(router) as made,
        made.chat.completions.stream(
            model="auto",
            messages=[HELLO],
            tools=[TOOL],
        ) as stream,
    ):
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert [(call.id, json.loads(call.function.arguments)) for call in calls] == [("call_1", {"on": False})]


async def test_structured_output() -> None:
    def answered(request: InferenceRequest) -> Output:
        assert request.params.response_format is not None
        return text_output(request, '{"city": "Frankfurt"}')

    schema: JSONSchema = {"name": "place", "schema": {"type": "object"}, "strict": True}
    async with client(ScriptedRouter(output=answered)) as made:
        answer = await made.chat.completions.create(
            model="auto",
            messages=[HELLO],
            response_format={"type": "json_schema", "json_schema": schema},
        )
    assert json.loads(answer.choices[0].message.content or "") == {"city": "Frankfurt"}


async def test_completions_embeddings_and_models() -> None:
    async with client() as made:
        text = await made.completions.create(model="auto", prompt="hello")
        words = [
            chunk.choices[0].text
            async for chunk in await made.completions.create(model="auto", prompt="x", stream=True)
        ]
        vectors = await made.embeddings.create(model="auto", input=["a", "bb"])
        names = {model.id async for model in made.models.list()}
        one = await made.models.retrieve("mec/edge-a")
    assert text.choices[0].text == "".join(words) == TEXT
    assert [item.embedding for item in vectors.data] == [[1.0, 0.5, -0.25], [2.0, 0.5, -0.25]]
    assert {"auto", "gpt-4o", one.id} <= names


async def test_responses_whole_and_streamed() -> None:
    async with client() as made:
        whole = await made.responses.create(model="auto", input="hello")
        async with made.responses.stream(model="auto", input="hello") as stream:
            deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            final = await stream.get_final_response()
    assert whole.output_text == final.output_text == "".join(deltas) == TEXT


async def test_failures_become_the_clients_own_exceptions() -> None:
    async with client(key="nobody") as made:
        with pytest.raises(openai.AuthenticationError):
            await made.chat.completions.create(model="auto", messages=[HELLO])
    refused = NoPermittedTargetError("nothing is permitted", rejected={"cloud/nova-pro": "privacy"})
    async with client(ScriptedRouter(fails=refused)) as made:
        with pytest.raises(openai.BadRequestError) as caught:
            await made.chat.completions.create(model="auto", messages=[HELLO])
        assert caught.value.code == "no_permitted_target"
        with pytest.raises(openai.NotFoundError):
            await made.chat.completions.create(model="gpt-17", messages=[HELLO])
    async with client(ScriptedRouter(breaks=UnavailableError("cut after 3 tokens"))) as made:
        with pytest.raises(openai.APIError, match="cut after 3 tokens"):
            async for _ in await made.chat.completions.create(model="auto", messages=[HELLO], stream=True):
                pass
        with pytest.raises(openai.APIError, match="cut after 3 tokens"):
            async for _ in await made.responses.create(model="auto", input="x", stream=True):
                pass
