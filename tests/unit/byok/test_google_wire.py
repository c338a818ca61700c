"""Google's protocol: what a call becomes there, what an answer becomes here, and that no word of it is left without a meaning."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from router_core.adapters.wire.google_answers import (
    FINISH,
    STATUSES,
    UNUSABLE,
    GeminiReader,
    error_of,
    finish_reason,
    read_answer,
    read_usage,
    status_answer,
)
from router_core.adapters.wire.google_request import gemini_body
from router_core.errors import RefusedError, TargetError, ThrottledError, UnavailableError
from router_core.inference import Params
from router_core.ports import ModelCall

# https://ai.google.dev/api/generate-content#FinishReason, 2026-11
REASONS = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST",
    "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER",
    "NO_IMAGE", "IMAGE_RECITATION", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
)  # fmt: skip
# google.rpc.Code, all but OK
CODES = (
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
    "UNAVAILABLE", "DATA_LOSS",
)  # fmt: skip
KEY = "AIza-key-that-must-not-show-0123456789"


def call(*messages: dict[str, Any], **params: Any) -> ModelCall:
    asked = messages or ({"role": "user", "content": "hi"},)
    return ModelCall(
        request_id="r", model="m", messages=tuple(asked), params=Params(**params), task="chat", timeout_s=1.0
    )


def test_every_finish_reason_and_every_status_has_a_meaning() -> None:
    assert {*FINISH, *UNUSABLE} == set(REASONS)
    assert set(STATUSES) == set(CODES)
    for reason in UNUSABLE:
        with pytest.raises(UnavailableError):
            finish_reason(reason, calls=False)


@pytest.mark.parametrize("code", CODES)
def test_a_status_word_alone_is_enough(code: str) -> None:
    assert type(error_of({"status": code}, 200, {})) is STATUSES[code]


def test_a_conversation_becomes_turns_of_two_with_the_system_beside_them() -> None:
    body = gemini_body(
        call(
            {"role": "system", "content": "be short"},
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": None, "tool_calls": [CALLED]},
            {"role": "tool", "tool_call_id": "c1", "content": '{"degrees": 3}'},
            {"role": "tool", "tool_call_id": "c1", "content": "cold"},
        )
    )
    assert body["systemInstruction"] == {"parts": [{"text": "be short"}]}
    assert [(turn["role"], len(turn["parts"])) for turn in body["contents"]] == [
        ("user", 2),
        ("model", 1),
        ("user", 2),
    ]
    assert body["contents"][1]["parts"][0] == {"functionCall": {"name": "weather", "args": {"city": "Ulm"}}}
    results = [part["functionResponse"] for part in body["contents"][2]["parts"]]
    assert results == [
        {"name": "weather", "response": {"degrees": 3}},
        {"name": "weather", "response": {"result": "cold"}},
    ]


CALLED = {
    "id": "c1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Ulm"}'},
}


def test_parameters_pictures_and_tools_have_their_words_there() -> None:
    tool = {
        "type": "function",
        "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
    }
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = gemini_body(
        call(
            {"role": "user", "content": [picture]},
            max_tokens=7,
            temperature=0.5,
            response_format=schema,
            tools=(tool,),
            extra={
                "top_p": 0.9,
                "stop": "x",
                "seed": 1,
                "n": 2,
                "tool_choice": {"type": "function", "function": {"name": "f"}},
            },
        )
    )
    assert body["contents"][0]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
    assert body["generationConfig"] == {
        "maxOutputTokens": 7, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"], "seed": 1, "candidateCount": 2,
        "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
    }  # fmt: skip
    declared = {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}
    assert body["tools"] == [{"functionDeclarations": [declared]}]
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["f"]}


@pytest.mark.parametrize(
    "messages",
    [
        ({"role": "system", "content": "alone"},),
        ({"role": "user", "content": "a"}, {"role": "tool", "tool_call_id": "no", "content": "x"}),
        ({"role": "user", "content": [{"type": "odd"}]},),
    ],
)
def test_what_cannot_be_said_there_is_refused(messages: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(RefusedError):
        gemini_body(call(*messages))


def test_thoughts_and_calls_are_told_apart_from_text_and_all_is_counted() -> None:
    parts = [
        {"text": "hm", "thought": True},
        {"text": "so"},
        {"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}},
    ]
    usage = {
        "promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "cachedContentTokenCount": 1,
    }  # fmt: skip
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage}
    answer = read_answer(body, call(), {})
    choice = answer.choices[0]
    assert (choice.text, choice.reasoning, choice.finish_reason) == ("so", "hm", "tool_calls")
    assert choice.tool_calls[0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.cached_tokens) == (
        5,
        5,
        1,
    )
    assert read_usage({"promptTokenCount": "5"}) is None


def test_a_blocked_prompt_is_an_answer_that_was_filtered_whole_and_streamed() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    assert read_answer(body, call(), {}).choices[0].finish_reason == "content_filter"
    reader = GeminiReader(call(), {})
    chunks = reader.feed(b"data: " + orjson.dumps(body) + b"\n\n")
    assert [chunk.finish_reason for chunk in chunks] == ["content_filter"]
    assert reader.finish()[0].usage is not None


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, {"message": "API key not valid", "details": [{"reason": "API_KEY_INVALID"}]}, "refused access (status 401)"),
        (403, {"message": f"key {KEY} may not"}, "refused access"),
        (404, {"message": f"no model for {KEY}"}, "refused the request"),
        (503, {"message": "overloaded"}, "failed with status 503"),
    ],
)  # fmt: skip
def test_errors_are_told_without_the_key(status: int, error: dict[str, Any], expected: str) -> None:
    told = status_answer(status, {}, json.dumps({"error": error}).encode(), KEY)
    assert expected in str(told)
    assert KEY not in str(told)


@pytest.mark.parametrize(
    ("body", "wait_s"),
    [
        ({"error": {"code": 429, "details": [{"retryDelay": "34.5s"}]}}, 34.5),
        ([{"error": {"code": 429, "details": [{"retryDelay": "soon"}]}}], 3.0),
        ({"error": {"code": 429, "details": "?"}}, 3.0),
    ],
)
def test_throttling_tells_how_long(body: Any, wait_s: float) -> None:
    error: TargetError = status_answer(429, {b"retry-after": b"3"}, json.dumps(body).encode(), None)
    assert isinstance(error, ThrottledError)
    assert error.retry_after_s == wait_s


@pytest.mark.parametrize("body", [{}, {"candidates": [{}]}, {"candidates": [7]}, {"error": {"code": 500}}])
def test_what_is_no_answer_is_unavailable(body: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError):
        read_answer(body, call(), {})
