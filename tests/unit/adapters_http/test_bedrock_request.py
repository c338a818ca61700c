"""OpenAI's requests in Converse's terms, each valid by the service's own description, or refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.sandbox.converse_rules import check_converse
from router_core.adapters.wire.bedrock_request import ANSWER_TOOL, converse_body
from router_core.errors import RefusedError
from router_core.inference import Params
from tests.unit.adapters_http.bedrock_model import problems
from tests.unit.adapters_http.test_openai_wire import call

USER = {"role": "user", "content": "hello"}
FUNCTION = {"name": "f", "description": "does f", "parameters": {"type": "object", "properties": {"a": {}}}}
TOOL = {"type": "function", "function": FUNCTION}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
AS_SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}


def converse(
    *messages: Any, params: Params | None = None, native: bool = True, **more: Any
) -> dict[str, Any]:
    """The body, after the service's description and its rules on turns found nothing against it."""
    body = converse_body(call(params, messages=messages or (USER,), **more), native_schema=native)
    assert problems(body) == ""
    check_converse("Converse", "amazon.nova-micro-v1:0", body)
    return body


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def test_plain_text_needs_nothing_more() -> None:
    assert converse() == {"messages": [user({"text": "hello"})]}


def test_system_and_developer_messages_stand_apart() -> None:
    body = converse(
        {"role": "system", "content": "be brief"}, USER, {"role": "developer", "content": "be kind"}
    )
    assert body["system"] == [{"text": "be brief"}, {"text": "be kind"}]
    assert body["messages"] == [user({"text": "hello"})]


def test_neighbours_of_one_role_become_one_turn_and_blank_texts_are_left_out() -> None:
    body = converse(
        USER, {"role": "user", "content": " "}, {"role": "user", "content": [{"type": "text", "text": "you"}]},
        {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}, USER,
    )  # fmt: skip
    assert body["messages"] == [
        user({"text": "hello"}, {"text": "you"}),
        {"role": "assistant", "content": [{"text": "a"}, {"text": "b"}]},
        user({"text": "hello"}),
    ]


@pytest.mark.parametrize(
    ("given", "sent"), [("png", "png"), ("jpeg", "jpeg"), ("jpg", "jpeg"), ("gif", "gif"), ("webp", "webp")]
)
def test_images_travel_as_bytes(given: str, sent: str) -> None:
    part = {"type": "image_url", "image_url": {"url": f"data:image/{given};base64,aGk="}}
    body = converse_body(call(messages=({"role": "user", "content": [part]},)), native_schema=True)
    assert body["messages"] == [user({"image": {"format": sent, "source": {"bytes": "aGk="}}})]
    assert problems(body) == ""


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "data:image/png,raw"}},
        {"type": "image_url", "image_url": {}},
        {"type": "image_url"},
        {"type": "input_audio", "input_audio": {"format": "exe", "data": "aGk="}},
        {"type": "file", "file": {"file_id": "x"}},
        {"type": "text"},
        {},
        "text",
        7,
    ],
)  # fmt: skip
def test_parts_the_service_does_not_take_are_refused(part: Any) -> None:
    with pytest.raises(RefusedError):
        converse({"role": "user", "content": [part]})


def test_sound_travels_as_bytes() -> None:
    part = {"type": "input_audio", "input_audio": {"format": "wav", "data": "aGk="}}
    assert converse({"role": "user", "content": [part]})["messages"] == [
        user({"audio": {"format": "wav", "source": {"bytes": "aGk="}}})
    ]


def test_a_conversation_with_tool_calls_and_results() -> None:
    calls = [
        {"id": f"call|{i}", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        for i in (1, 2)
    ]
    results = [
        {"role": "tool", "tool_call_id": f"call|{i}", "content": text} for i, text in ((1, "one"), (2, ""))
    ]
    body = converse(
        USER,
        {"role": "assistant", "content": None, "tool_calls": calls},
        *results,
        params=Params(tools=(TOOL,)),
    )
    uses = [{"toolUse": {"toolUseId": f"call_{i}", "name": "f", "input": {"a": 1}}} for i in (1, 2)]
    assert body["messages"][1] == {"role": "assistant", "content": uses}
    assert body["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "call_1", "content": [{"text": "one"}]}},
        {"toolResult": {"toolUseId": "call_2", "content": [{"text": "(no output)"}]}},
    ]


def test_past_tool_calls_need_a_configuration_even_without_tools() -> None:
    calls = [{"id": "1", "function": {"name": "old", "arguments": ""}}]
    result = {"role": "tool", "tool_call_id": "1", "content": "x"}
    body = converse(USER, {"role": "assistant", "tool_calls": calls}, result)
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["old"]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
        {"role": "assistant", "tool_calls": [7]},
        {"role": "tool", "content": "x"},
        {"role": "tool", "tool_call_id": 7, "content": "x"},
        {"role": "function", "name": "f", "content": "x"},
        {"role": "user", "content": 7},
        {"content": "x"},
    ],
)
def test_messages_that_say_too_little_are_refused(message: Any) -> None:
    with pytest.raises(RefusedError):
        converse(USER, message)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", None),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "f"}}, {"tool": {"name": "f"}}),
    ],
)
def test_how_a_tool_is_chosen(choice: Any, expected: Any) -> None:
    config = converse(params=Params(tools=(TOOL,), extra={"tool_choice": choice}))["toolConfig"]
    spec = {"name": "f", "description": "does f", "inputSchema": {"json": FUNCTION["parameters"]}}
    assert config["tools"] == [{"toolSpec": spec}]
    assert config.get("toolChoice") == expected


def test_no_tool_may_be_chosen_where_none_is_offered() -> None:
    assert "toolConfig" not in converse(params=Params(tools=(TOOL,), extra={"tool_choice": "none"}))


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "", "strict": True}}
    spec = converse(params=Params(tools=(tool,)))["toolConfig"]["tools"][0]["toolSpec"]
    assert spec == {
        "name": "f",
        "strict": True,
        "inputSchema": {"json": {"type": "object", "properties": {}}},
    }


def test_a_schema_goes_the_services_own_way() -> None:
    form = converse(params=Params(response_format=AS_SCHEMA))["outputConfig"]["textFormat"]
    assert form["type"] == "json_schema"
    assert form["structure"]["jsonSchema"]["name"] == "place"
    assert orjson.loads(form["structure"]["jsonSchema"]["schema"]) == SCHEMA


@pytest.mark.parametrize(
    ("wanted", "native", "schema"),
    [(AS_SCHEMA, False, SCHEMA), ({"type": "json_object"}, True, {"type": "object"})],
)
def test_otherwise_json_is_the_input_of_a_forced_tool(wanted: Any, native: bool, schema: Any) -> None:
    body = converse(params=Params(response_format=wanted), native=native)
    assert "outputConfig" not in body
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": ANSWER_TOOL}}
    assert body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"] == {"json": schema}


def test_text_as_a_format_is_no_format() -> None:
    assert converse(params=Params(response_format={"type": "text"})) == converse()


def test_limits_and_chance() -> None:
    params = Params(max_tokens=5, temperature=1.7, extra={"top_p": 0.5, "stop": "END", "seed": 1})
    assert converse(params=params)["inferenceConfig"] == {
        "maxTokens": 5, "temperature": 1.0, "topP": 0.5, "stopSequences": ["END"],
    }  # fmt: skip
    assert converse(params=Params(extra={"stop": ["a", "b"], "max_completion_tokens": 9}))["inferenceConfig"] == {
        "maxTokens": 9, "stopSequences": ["a", "b"],
    }  # fmt: skip


def test_a_continuation_is_the_last_turn_without_its_last_blanks() -> None:
    assert converse(continuation="so far \n")["messages"][-1] == {
        "role": "assistant",
        "content": [{"text": "so far"}],
    }
    assert converse(continuation="  ") == converse()


@pytest.mark.parametrize(
    "params",
    [
        Params(extra={"n": 2}),
        Params(extra={"logprobs": True}),
        Params(extra={"functions": [FUNCTION]}),
        Params(tools=({"type": "custom"},)),
        Params(tools=(TOOL,), response_format={"type": "json_object"}),
    ],
)
def test_what_the_service_cannot_do_is_refused_before_it_is_sent(params: Params) -> None:
    with pytest.raises(RefusedError):
        converse(params=params)
