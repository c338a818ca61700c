"""A stock boto3 client works against the Bedrock stand-in: text, streams, tools, structured output, images."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import pytest

MODEL = "eu.amazon.nova-lite-v1:0"
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
TOOLS: Any = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": WEATHER}}}]}


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": [{"text": text}]}]


def text_of(answer: Any) -> str:
    return str(answer["output"]["message"]["content"][0]["text"])


def joined(events: list[Any]) -> str:
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta["text"] if "text" in delta else delta["toolUse"]["input"] for delta in deltas)


def test_text_says_it_is_a_stand_in_and_reflects_the_question(bedrock: Any) -> None:
    answer = bedrock.converse(modelId=MODEL, messages=user("How far is the moon?"))
    assert f"stand-in for {MODEL}" in text_of(answer)
    assert "How far is the moon?" in text_of(answer)
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert 3 < len(text_of(answer)) / usage["outputTokens"] < 6


def test_stream_carries_the_same_text_and_usage_as_the_plain_answer(bedrock: Any) -> None:
    answer = bedrock.converse(modelId=MODEL, messages=user("Hello"))
    events = list(bedrock.converse_stream(modelId=MODEL, messages=user("Hello"))["stream"])
    assert joined(events) == text_of(answer)
    assert events[-1]["metadata"]["usage"] == answer["usage"]
    assert [next(iter(event)) for event in (events[0], *events[-3:])] == [
        "messageStart", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip


def test_max_tokens_cuts_the_answer_and_says_so(bedrock: Any) -> None:
    answer = bedrock.converse(modelId=MODEL, messages=user("Hello"), inferenceConfig={"maxTokens": 5})
    assert (answer["stopReason"], answer["usage"]["outputTokens"]) == ("max_tokens", 5)


def test_a_stop_sequence_ends_the_answer_before_it(bedrock: Any) -> None:
    limits: Any = {"stopSequences": ["not the model"]}
    answer = bedrock.converse(modelId=MODEL, messages=user("Hello"), inferenceConfig=limits)
    assert answer["stopReason"] == "stop_sequence"
    assert text_of(answer).endswith("nova-lite-v1:0, ")


def test_a_mentioned_tool_is_called_with_arguments_that_fit_its_schema(bedrock: Any) -> None:
    asked = user("What is the weather in Hamburg in kelvin?")
    answer = bedrock.converse(modelId=MODEL, messages=asked, toolConfig=TOOLS)
    call = answer["output"]["message"]["content"][0]["toolUse"]
    assert (answer["stopReason"], call["name"]) == ("tool_use", "get_weather")
    assert call["input"] == {"city": "Hamburg", "unit": "kelvin"}


def test_streamed_tool_arguments_join_to_the_same_json(bedrock: Any) -> None:
    asked = user("What is the weather in Hamburg?")
    events = list(bedrock.converse_stream(modelId=MODEL, messages=asked, toolConfig=TOOLS)["stream"])
    start: Any = next(event["contentBlockStart"]["start"] for event in events if "contentBlockStart" in event)
    assert start["toolUse"]["name"] == "get_weather"
    jsonschema.validate(json.loads(joined(events)), WEATHER)


@pytest.mark.parametrize(("choice", "calls"), [({"any": {}}, True), ({"tool": {"name": "get_weather"}}, True), ({"auto": {}}, False)])  # fmt: skip
def test_tool_choice_decides_when_nothing_in_the_text_does(bedrock: Any, choice: Any, calls: bool) -> None:
    config: Any = {**TOOLS, "toolChoice": choice}
    answer = bedrock.converse(modelId=MODEL, messages=user("Good morning"), toolConfig=config)
    assert (answer["stopReason"] == "tool_use") is calls


def test_after_a_tool_result_the_answer_is_text_about_it(bedrock: Any) -> None:
    call: Any = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Hamburg"}}}
    result: Any = {"toolResult": {"toolUseId": "t1", "content": [{"json": {"degrees": 21}}]}}
    turns: Any = [
        *user("weather?"),
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    answer = bedrock.converse(modelId=MODEL, messages=turns, toolConfig=TOOLS)
    assert '"degrees":21' in text_of(answer)


def test_structured_output_fits_the_schema(bedrock: Any) -> None:
    definition: Any = {"name": "weather", "schema": json.dumps(WEATHER)}
    output: Any = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}
    answer = bedrock.converse(modelId=MODEL, messages=user("Hello"), outputConfig=output)
    jsonschema.validate(json.loads(text_of(answer)), WEATHER)


def test_an_image_is_accepted_and_counted(bedrock: Any) -> None:
    image: Any = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
    turns: Any = [{"role": "user", "content": [{"text": "What is this?"}, image]}]
    answer = bedrock.converse(modelId=MODEL, messages=turns)
    assert "1 image(s)" in text_of(answer)
    assert answer["usage"]["inputTokens"] > 500


def test_an_assistant_prefix_is_continued_without_repeating_it(bedrock: Any) -> None:
    whole = text_of(bedrock.converse(modelId=MODEL, messages=user("Hello")))
    prefix = whole[:120].rstrip()
    turns: Any = [*user("Hello"), {"role": "assistant", "content": [{"text": prefix}]}]
    assert prefix + text_of(bedrock.converse(modelId=MODEL, messages=turns)) == whole


def test_a_prefix_by_someone_else_is_taken_over_openly(bedrock: Any) -> None:
    turns: Any = [*user("Hello"), {"role": "assistant", "content": [{"text": "w0 w1 w2"}]}]
    answer = text_of(bedrock.converse(modelId=MODEL, messages=turns))
    assert "w0" not in answer
    assert "stand-in" in answer


def test_a_model_id_that_is_an_arn_is_understood(bedrock: Any) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-micro-v1:0"
    assert arn in text_of(bedrock.converse(modelId=arn, messages=user("é")))


def embed(bedrock: Any, text: str) -> list[float]:
    body = json.dumps({"inputText": text, "dimensions": 512, "normalize": True})
    answer = bedrock.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=body)
    vector: list[float] = json.loads(answer["body"].read())["embedding"]
    return vector


def dot(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


def test_embeddings_are_unit_vectors_and_similar_texts_are_closer(bedrock: Any) -> None:
    first, near, far = (
        embed(bedrock, text)
        for text in (
            "turn on the kitchen light",
            "turn off the kitchen light",
            "quarterly revenue grew by 4 %",
        )
    )
    assert math.isclose(math.hypot(*first), 1.0)
    assert len(first) == 512
    assert dot(first, near) > dot(first, far)
    assert embed(bedrock, "turn on the kitchen light") == first
