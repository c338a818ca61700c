"""The openai client works against the MEC stand-in, and the raw stream has vLLM's form."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import openai
import pytest

from gateway.sandbox.processes import StandIns
from tests.unit.sandbox.sending import get, post

MODEL = "llama-3.1-8b"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"level": {"enum": ["low", "high"]}, "count": {"type": "integer", "minimum": 2}},
    "required": ["level", "count"],
    "additionalProperties": False,
}
TOOLS: Any = [{"type": "function", "function": {"name": "set_light", "parameters": SCHEMA}}]


def ask(text: str = "Hello there") -> list[Any]:
    return [{"role": "user", "content": text}]


def raw_stream(standins: StandIns, body: dict[str, Any]) -> list[Any]:
    headers = {"authorization": f"Bearer {standins.mec_api_key}", "content-type": "application/json"}
    url = f"{standins.mec_urls[0]}/v1/chat/completions"
    answer = post(url, json.dumps({"model": MODEL, "stream": True, **body}).encode(), headers)
    lines = [line.removeprefix("data: ") for line in answer.body.decode().split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_chat_says_it_is_a_stand_in(mec: openai.OpenAI) -> None:
    answer = mec.chat.completions.create(model=MODEL, messages=ask())
    assert f"stand-in for {MODEL}" in str(answer.choices[0].message.content)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_has_vllms_order_of_chunks(standins: StandIns) -> None:
    body = {"messages": ask(), "max_tokens": 4, "stream_options": {"include_usage": True}}
    first, *tokens, finish, usage = raw_stream(standins, body)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(tokens) == 4
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in tokens)
    assert finish["choices"][0]["finish_reason"] == "length"
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 4)


def test_usage_comes_only_when_asked_for(standins: StandIns) -> None:
    assert all("usage" not in chunk for chunk in raw_stream(standins, {"messages": ask()}))


def test_choices_differ_and_stream_under_their_index(mec: openai.OpenAI) -> None:
    plain = mec.chat.completions.create(model=MODEL, messages=ask(), n=2)
    texts = ["", ""]
    for chunk in mec.chat.completions.create(model=MODEL, messages=ask(), n=2, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == [choice.message.content for choice in plain.choices]
    assert texts[0] != texts[1]


def test_the_same_seed_gives_the_same_text_and_another_seed_another(mec: openai.OpenAI) -> None:
    texts = [
        mec.chat.completions.create(model=MODEL, messages=ask(), seed=seed).choices[0].message.content
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_a_tool_call_streams_as_arguments_that_join_to_valid_json(mec: openai.OpenAI) -> None:
    asked = ask("Set the light to high")
    chunks = list(mec.chat.completions.create(model=MODEL, messages=asked, tools=TOOLS, stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert calls[0].function is not None
    assert calls[0].function.name == "set_light"
    arguments = json.loads("".join(call.function.arguments or "" for call in calls if call.function))
    jsonschema.validate(arguments, SCHEMA)
    assert arguments["level"] == "high"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(("choice", "calls"), [("none", False), ("required", True), ("auto", False)])
def test_tool_choice_is_honoured(mec: openai.OpenAI, choice: Any, calls: bool) -> None:
    answer = mec.chat.completions.create(model=MODEL, messages=ask(), tools=TOOLS, tool_choice=choice)
    assert bool(answer.choices[0].message.tool_calls) is calls


def test_json_schema_and_json_object_give_json(mec: openai.OpenAI) -> None:
    strict: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
    answer = mec.chat.completions.create(model=MODEL, messages=ask(), response_format=strict)
    jsonschema.validate(json.loads(answer.choices[0].message.content or ""), SCHEMA)
    loose: Any = {"type": "json_object"}
    answer = mec.chat.completions.create(model=MODEL, messages=ask(), response_format=loose)
    assert "stand-in" in json.loads(answer.choices[0].message.content or "")["answer"]


def test_an_assistant_prefix_is_continued_only_when_asked(mec: openai.OpenAI) -> None:
    whole = mec.chat.completions.create(model=MODEL, messages=ask()).choices[0].message.content or ""
    prefix: list[Any] = [*ask(), {"role": "assistant", "content": whole[:100].rstrip()}]
    extra = {"continue_final_message": True, "add_generation_prompt": False}
    rest = mec.chat.completions.create(model=MODEL, messages=prefix, extra_body=extra).choices[0].message
    assert prefix[1]["content"] + str(rest.content) == whole
    fresh = mec.chat.completions.create(model=MODEL, messages=prefix).choices[0].message.content or ""
    assert fresh.startswith("This is a local stand-in")
    with pytest.raises(openai.BadRequestError, match="add_generation_prompt"):
        mec.chat.completions.create(model=MODEL, messages=prefix, extra_body={"continue_final_message": True})


def test_stop_and_logprobs_have_the_usual_form(mec: openai.OpenAI) -> None:
    answer = mec.chat.completions.create(
        model=MODEL, messages=ask(), stop=["not the model"], logprobs=True, top_logprobs=1
    ).choices[0]
    assert answer.finish_reason == "stop"
    assert answer.logprobs is not None
    tokens = [entry.token for entry in answer.logprobs.content or []]
    assert "".join(tokens) == answer.message.content


def test_images_are_accepted_and_counted(mec: openai.OpenAI) -> None:
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    answer = mec.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])
    assert "1 image(s)" in str(answer.choices[0].message.content)


def test_completions_plain_and_streamed_agree(mec: openai.OpenAI) -> None:
    plain = mec.completions.create(model=MODEL, prompt="Once", max_tokens=9)
    chunks = list(mec.completions.create(model=MODEL, prompt="Once", max_tokens=9, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == plain.choices[0].text
    assert chunks[-1].choices[0].finish_reason == "length"


def test_embeddings_by_number_and_by_base64_are_the_same(mec: openai.OpenAI) -> None:
    # The client asks for base64 by itself unless told otherwise.
    packed = mec.embeddings.create(model="bge-small-en-v1.5", input=["a cat", "a dog"])
    plain = mec.embeddings.create(
        model="bge-small-en-v1.5", input=["a cat", "a dog"], encoding_format="float"
    )
    assert len(packed.data) == 2
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)


def test_models_are_listed_with_their_length(mec: openai.OpenAI) -> None:
    models = {model.id: model for model in mec.models.list()}
    assert set(models) == {MODEL, "bge-small-en-v1.5"}
    assert models[MODEL].model_dump()["max_model_len"] == 8_192


def test_an_unknown_model_is_404_in_vllms_form(mec: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        mec.chat.completions.create(model="gpt-9", messages=ask())
    assert (caught.value.type, caught.value.param) == ("NotFoundError", "model")


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": "x"},
        {"messages": [{"role": "user", "content": 3}]},
        {"messages": [{"role": "user", "content": ["x"]}]},
        {"messages": ask("word " * 9_000)},
        {"messages": ask(), "max_tokens": 9_000},
        {"messages": ask(), "max_tokens": -1},
        {"messages": ask(), "n": 1_000},
        {"messages": ask(), "stop": 3},
        {"messages": ask(), "tools": [{"name": "x"}]},
        {"messages": ask(), "response_format": {"type": "json_schema"}},
        {"messages": ask(), "seed": "x"},
    ],
)
def test_a_body_that_cannot_be_used_is_400(mec: openai.OpenAI, body: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        mec.post("/chat/completions", body={"model": MODEL, **body}, cast_to=object)


def test_without_the_key_only_health_and_metrics_are_open(standins: StandIns) -> None:
    url = standins.mec_urls[0]
    refused = get(f"{url}/v1/models")
    assert (refused.status, refused.json) == (401, {"error": "Unauthorized"})
    assert [get(url + path).status for path in ("/health", "/metrics", "/version")] == [200, 200, 200]
