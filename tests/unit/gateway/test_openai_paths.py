"""Text completions, responses, embeddings and models in OpenAI's form."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from router_core.errors import UnavailableError
from router_core.execution import Choice, Chunk, Output
from tests.unit.gateway.asgi import Reply, application, call
from tests.unit.gateway.scripted import TEXT, ScriptedRouter
from tests.unit.gateway.test_chat import CALL, tool_pieces

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


async def post(path: str, router: ScriptedRouter | None = None, **body: Any) -> Reply:
    return await call(application(router), "POST", path, {"model": "auto", **body})


async def test_a_text_completion_has_openais_shape_and_choices_for_every_prompt() -> None:
    router = ScriptedRouter()
    reply = await post("/v1/completions", router, prompt=["a", "b"], n=2, max_tokens=5, best_of=0, suffix="s")
    found = Completion.model_validate(reply.json, strict=True)
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    assert {choice.text for choice in found.choices} == {TEXT}
    assert [request.messages[0]["content"] for request in router.asked] == ["a", "b"]
    assert found.usage is not None
    assert found.usage.total_tokens == 28
    assert reply.headers["x-tierwise-ignored-params"] == "best_of, suffix"


async def test_a_prompt_can_be_echoed() -> None:
    reply = await post("/v1/completions", prompt="Say: ", echo=True)
    assert reply.json["choices"][0]["text"] == f"Say: {TEXT}"


@pytest.mark.parametrize("prompt", ["", [], [1, 2, 3], [[1, 2]], ["a"] * 17, None])
async def test_a_prompt_is_text(prompt: Any) -> None:
    assert (await post("/v1/completions", prompt=prompt)).status == 400


async def test_streamed_prompts_follow_one_another_and_end_once() -> None:
    reply = await post(
        "/v1/completions", prompt=["a", "b"], stream=True, stream_options={"include_usage": True}
    )
    data = [data for _, data in reply.events]
    assert (data[-1], data.count("[DONE]")) == ("[DONE]", 1)
    assert data[-2]["choices"] == []
    assert data[-2]["usage"]["total_tokens"] == 28
    for chunk in data[:-1]:
        # The client's type wants a finish_reason, which OpenAI's own chunks before the last do not have either.
        if all(choice["finish_reason"] for choice in chunk["choices"]):
            Completion.model_validate(chunk)
    for index in (0, 1):
        own = [c for chunk in data[:-1] for c in chunk["choices"] if c["index"] == index]
        assert "".join(choice["text"] for choice in own) == TEXT
        assert [choice["finish_reason"] for choice in own].count(None) == len(own) - 1


async def test_a_text_stream_that_dies_is_not_done() -> None:
    router = ScriptedRouter(breaks=UnavailableError("cut"))
    data = [data for _, data in (await post("/v1/completions", router, prompt="a", stream=True)).events]
    assert "error" in data[-1]
    assert "[DONE]" not in data


async def test_a_response_has_openais_shape() -> None:
    router = ScriptedRouter()
    reply = await post("/v1/responses", router, input="hello", instructions="be brief", max_output_tokens=9,
                       text={"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}})  # fmt: skip
    found = Response.model_validate(reply.json)
    assert (found.status, found.output_text) == ("completed", TEXT)
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (9, 5)
    request = router.asked[0]
    assert [message["role"] for message in request.messages] == ["system", "user"]
    assert request.params.max_tokens == 9
    assert request.params.response_format == {
        "type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}},
    }  # fmt: skip


async def test_a_conversation_with_calls_becomes_chat_messages() -> None:
    router = ScriptedRouter()
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "look"},
                                     {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hm", "annotations": []}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "a lamp"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "a cat"}]},
    ]  # fmt: skip
    tools = [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}]
    reply = await post(
        "/v1/responses", router, input=items, tools=tools, tool_choice={"type": "function", "name": "look"}
    )
    assert reply.status == 200
    request = router.asked[0]
    assert [message["role"] for message in request.messages] == [
        "user",
        "assistant",
        "assistant",
        "tool",
        "tool",
    ]
    assert [call["id"] for call in request.messages[2]["tool_calls"]] == ["c1", "c2"]
    assert request.messages[3]["tool_call_id"] == "c1"
    assert request.params.tools[0]["function"] == {
        "name": "look",
        "parameters": {"type": "object"},
        "strict": True,
    }
    assert request.params.extra["tool_choice"] == {"type": "function", "function": {"name": "look"}}


@pytest.mark.parametrize(
    "body",
    [
        {"input": "x", "previous_response_id": "resp_1"}, {"input": "x", "store": True},
        {"input": "x", "background": True}, {"input": "x", "conversation": "conv_1"},
        {"input": [{"type": "item_reference", "id": "x"}]}, {"input": []}, {"input": ""}, {},
        {"input": "x", "tools": [{"type": "web_search"}]}, {"input": [{"role": "user"}]},
        {"input": [{"type": "function_call", "call_id": "c"}]}, {"input": [{"type": "function_call_output"}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://h/x.png"}]}]},
        {"input": "x", "base_url": "http://h"},
    ],
)  # fmt: skip
async def test_what_a_stateless_response_cannot_be_is_refused(body: dict[str, Any]) -> None:
    router = ScriptedRouter()
    reply = await post("/v1/responses", router, **body)
    assert reply.status == 400
    assert "message" in reply.json["error"]
    assert router.asked == []


async def test_a_response_cut_short_is_incomplete() -> None:
    router = ScriptedRouter(output=lambda _: Output(choices=(Choice(text="a", finish_reason="length"),)))
    found = Response.model_validate((await post("/v1/responses", router, input="x")).json)
    assert found.status == "incomplete"
    assert found.incomplete_details is not None
    assert found.incomplete_details.reason == "max_output_tokens"


def events(reply: Reply) -> list[dict[str, Any]]:
    """The events of a stream: named as typed, numbered without gaps, accepted by the client's types."""
    found = []
    for number, (name, data) in enumerate(reply.events):
        assert (data["type"], data["sequence_number"]) == (name, number)
        EVENT.validate_python(data)
        found.append(data)
    return found


async def test_a_streamed_response_opens_and_closes_everything_it_says() -> None:
    found = events(await post("/v1/responses", input="x", stream=True))
    assert [event["type"].removeprefix("response.") for event in found] == [
        "created", "in_progress", "output_item.added", "content_part.added", *["output_text.delta"] * 4,
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert "".join(event["delta"] for event in found if event["type"].endswith("text.delta")) == TEXT
    assert Response.model_validate(found[-1]["response"]).output_text == TEXT


async def test_streamed_calls_of_a_response_are_items_of_their_own() -> None:
    router = ScriptedRouter(
        pieces=lambda request: [Chunk(text="Off."), *tool_pieces(request)],
        output=lambda _: Output(
            choices=(Choice(text="Off.", tool_calls=(CALL,), finish_reason="tool_calls"),)
        ),
    )
    found = events(await post("/v1/responses", router, input="x", stream=True))
    output = found[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call"]
    assert (output[1]["call_id"], output[1]["name"], output[1]["arguments"]) == (
        "call_1",
        "lights",
        '{"on": false}',
    )
    whole = await post("/v1/responses", router, input="x")
    assert [item["type"] for item in whole.json["output"]] == ["message", "function_call"]
    assert whole.json["output"][1]["arguments"] == '{"on": false}'


async def test_a_streamed_response_that_dies_ends_with_an_error() -> None:
    reply = await post(
        "/v1/responses", ScriptedRouter(breaks=UnavailableError("cut")), input="x", stream=True
    )
    name, data = reply.events[-1]
    assert (name, data["type"]) == ("error", "error")
    assert data["error"]["message"] == data["message"] == "cut"
    assert not any(name == "response.completed" for name, _ in reply.events)


async def test_vectors_come_as_floats_or_packed() -> None:
    router = ScriptedRouter()
    plain = await post("/v1/embeddings", router, input=["a", "bb"], dimensions=3)
    found = CreateEmbeddingResponse.model_validate(plain.json, strict=True)
    assert [item.embedding for item in found.data] == [[1.0, 0.5, -0.25], [2.0, 0.5, -0.25]]
    assert router.embedded[0].dimensions == 3
    packed = await post("/v1/embeddings", input="a", encoding_format="base64")
    assert struct.unpack("<3f", base64.b64decode(packed.json["data"][0]["embedding"])) == (1.0, 0.5, -0.25)


@pytest.mark.parametrize("given", ["", [], [""], [1, 2], [[1], [2]], ["a"] * 2049, None, {"text": "a"}])
async def test_only_text_can_be_embedded(given: Any) -> None:
    router = ScriptedRouter()
    assert (await post("/v1/embeddings", router, input=given)).status == 400
    assert router.embedded == []


async def test_the_models_are_targets_auto_objectives_and_aliases() -> None:
    app = application()
    listed = (await call(app, "GET", "/v1/models")).json["data"]
    names = {Model.model_validate(entry, strict=True).id for entry in listed}
    objectives = {f"auto:{name}" for name in ("balanced", "latency", "cost", "quality", "privacy", "energy")}
    assert names == {
        "auto",
        *objectives,
        "device/intent-v1",
        "mec/edge-a",
        "cloud/nova-pro",
        "gpt-4o",
        "fast",
        "edge",
    }
    for entry in listed:
        assert (await call(app, "GET", f"/v1/models/{entry['id']}")).json == entry
    missing = await call(app, "GET", "/v1/models/nothing")
    assert (missing.status, missing.json["error"]["code"]) == (404, "model_not_found")


async def test_the_document_shows_every_path_with_the_body_it_takes() -> None:
    document = (await call(application(), "GET", "/openapi.json", key=None)).json
    assert {"/inference", "/explain", "/inference/{request_id}", "/v1/chat/completions", "/v1/completions", "/v1/responses",
            "/v1/embeddings", "/v1/models", "/health/readiness", "/metrics", "/admin/targets"} <= document["paths"].keys()  # fmt: skip
    body = document["paths"]["/inference"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = body["$ref"].removeprefix("#/components/schemas/")
    schema = document["components"]["schemas"][name]
    assert schema["additionalProperties"] is False
    assert "max_latency_ms" in document["components"]["schemas"]["PreferencesBody"]["properties"]
