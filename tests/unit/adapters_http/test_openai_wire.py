"""OpenAI's bodies: what is sent, what is understood, and what an error tells."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from router_core.adapters.wire.http_errors import retry_after_s, status_error, summary
from router_core.adapters.wire.openai_wire import (
    chat_body,
    embeddings_body,
    load,
    read_answer,
    read_usage,
    read_vectors,
    reported,
    reported_error,
    status_answer,
)
from router_core.errors import RefusedError, ThrottledError, UnavailableError
from router_core.execution import Usage
from router_core.inference import Params
from router_core.ports import EmbedCall, ModelCall

EMBED = EmbedCall(request_id="r", model="m", inputs=("a", "b"), timeout_s=1.0)


def call(params: Params | None = None, **more: Any) -> ModelCall:
    fields: dict[str, Any] = {
        "request_id": "r",
        "model": "alias",
        "messages": ({"role": "user", "content": "hello you"},),
        "params": params or Params(),
        "task": "chat",
        "timeout_s": 1.0,
    }
    return ModelCall(**{**fields, **more})


def sent(params: Params | None = None, *, streams: bool = False, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(chat_body(call(params, **more), "m", streams=streams))
    return body


# ---- requests --------------------------------------------------------------------------------------------------------


def test_only_what_was_asked_for_is_sent() -> None:
    assert sent() == {"model": "m", "messages": [{"role": "user", "content": "hello you"}]}


def test_parameters_are_passed_on() -> None:
    params = Params(
        max_tokens=5,
        temperature=0.0,
        response_format={"type": "json_object"},
        tools=({"type": "function"},),
        extra={"top_p": 0.5, "n": 2},
    )
    body = sent(params, user="u1")
    assert body["max_tokens"] == 5
    assert body["temperature"] == 0.0
    assert body["response_format"] == {"type": "json_object"}
    assert body["tools"] == [{"type": "function"}]
    assert (body["top_p"], body["n"], body["user"]) == (0.5, 2, "u1")


def test_extra_parameters_cannot_replace_ours_and_nulls_are_left_out() -> None:
    extra = {"model": "evil", "messages": [], "stream": True, "stream_options": {}, "user": "x", "seed": None}
    assert sent(Params(extra=extra)) == sent()


def test_a_newer_name_of_the_token_limit_is_not_sent_beside_the_older() -> None:
    body = sent(Params(max_tokens=5, extra={"max_completion_tokens": 7}))
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body


def test_a_stream_asks_for_usage() -> None:
    body = sent(streams=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


def test_a_continuation_is_the_beginning_of_the_assistants_turn() -> None:
    body = sent(continuation="so far")
    assert body["messages"][-1] == {"role": "assistant", "content": "so far"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


def test_a_value_json_cannot_hold_is_refused() -> None:
    with pytest.raises(RefusedError):
        sent(Params(extra={"x": {1, 2}}))


def test_embeddings_ask_for_numbers_and_dimensions_only_if_given() -> None:
    assert orjson.loads(embeddings_body(EMBED, "m")) == {
        "model": "m",
        "input": ["a", "b"],
        "encoding_format": "float",
    }


# ---- answers ---------------------------------------------------------------------------------------------------------


def answer(message: dict[str, Any], **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


def test_everything_in_a_choice_is_kept() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -1.0}]}
    body = answer(
        {"content": "hi", "refusal": "no", "reasoning_content": "hm"},
        logprobs=logprobs,
        finish_reason="length",
    )
    choice = read_answer(body, call()).choices[0]
    assert (choice.text, choice.refusal, choice.reasoning) == ("hi", "no", "hm")
    assert (choice.logprobs, choice.finish_reason) == (logprobs, "length")


def test_the_newer_name_of_reasoning_is_known_and_text_may_come_in_parts() -> None:
    body = answer(
        {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "reasoning": "hm"}
    )
    choice = read_answer(body, call()).choices[0]
    assert (choice.text, choice.reasoning) == ("ab", "hm")


def test_several_choices_are_kept_in_order() -> None:
    body = {"choices": [{"message": {"content": text}, "index": i} for i, text in enumerate("abc")]}
    assert [(c.index, c.text) for c in read_answer(body, call()).choices] == [(0, "a"), (1, "b"), (2, "c")]


def test_tool_calls_are_kept_and_empty_arguments_become_an_object() -> None:
    calls = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "2", "type": "function", "function": {"name": "g", "arguments": ""}},
    ]
    choice = read_answer(answer({"content": None, "tool_calls": calls}, finish_reason=None), call()).choices[
        0
    ]
    assert [one["function"]["arguments"] for one in choice.tool_calls] == ['{"a":1}', "{}"]
    assert choice.finish_reason == "tool_calls"


def test_truncated_arguments_of_a_tool_call_are_an_error() -> None:
    calls = [{"id": "1", "function": {"name": "f", "arguments": '{"a":'}}]
    with pytest.raises(UnavailableError, match="truncated"):
        read_answer(answer({"tool_calls": calls}), call())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [{}]},
        {"choices": [None]},
        {"choices": 7},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"tool_calls": [1]}}]},
        {"choices": [{"message": {"content": 7}}]},
    ],
)
def test_an_answer_without_its_form_is_an_error(body: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError):
        read_answer(body, call())


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'])
def test_what_is_no_json_object_is_an_error(body: bytes) -> None:
    with pytest.raises(UnavailableError):
        load(body)


def test_usage_counts_cached_tokens() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    assert read_usage(usage) == Usage(prompt_tokens=9, completion_tokens=3, cached_tokens=4)


@pytest.mark.parametrize("usage", [None, {}, [], {"prompt_tokens": "9"}, {"prompt_tokens": None}])
def test_missing_usage_is_estimated_from_the_characters(usage: object) -> None:
    body = {**answer({"content": "12345678"}), "usage": usage}
    assert read_answer(body, call()).usage == Usage(prompt_tokens=3, completion_tokens=2, estimated=True)


def test_vectors_come_in_input_order() -> None:
    rows = [{"index": 1, "embedding": [2, 3]}, {"index": 0, "embedding": [0.5, 1]}]
    result = read_vectors({"data": rows, "usage": {"prompt_tokens": 2, "total_tokens": 2}}, EMBED)
    assert result.vectors == ((0.5, 1.0), (2.0, 3.0))
    assert result.usage == Usage(prompt_tokens=2)


@pytest.mark.parametrize(
    "data",
    [None, [], [{"index": 0, "embedding": [1]}], [{"index": i, "embedding": ["x"]} for i in (0, 1)],
     [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}], [{"embedding": [1]}, {"embedding": [1]}]],
)  # fmt: skip
def test_missing_or_doubled_vectors_are_an_error(data: object) -> None:
    with pytest.raises(UnavailableError):
        read_vectors({"data": data}, EMBED)


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"code": 429}}, ThrottledError),
        ({"error": {"code": "rate_limit_exceeded"}}, ThrottledError),
        ({"error": {"type": "RateLimitError"}}, ThrottledError),
        ({"error": {"code": 500, "message": "x"}}, UnavailableError),
        ({"error": "plain words"}, UnavailableError),
        ({"object": "error", "message": "x", "code": 400}, RefusedError),
    ],
)
def test_an_error_inside_a_200_is_recognised(body: dict[str, Any], expected: type[Exception]) -> None:
    error = reported(body)
    assert error is not None
    assert type(reported_error(error, {})) is expected


def test_a_body_without_an_error_reports_none() -> None:
    assert reported({"error": None, "object": "chat.completion"}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({b"retry-after": b"3"}, 3.0),
        ({b"retry-after": b"0"}, 0.0),
        ({b"retry-after-ms": b"250", b"retry-after": b"9"}, 0.25),
        ({b"retry-after": b"Sat, 21 Nov 2026 10:00:30 GMT", b"date": b"Sat, 21 Nov 2026 10:00:00 GMT"}, 30.0),
        ({b"retry-after": b"Sat, 21 Nov 2026 09:00:00 GMT", b"date": b"Sat, 21 Nov 2026 10:00:00 GMT"}, 0.0),
        ({b"retry-after": b"99999999"}, 86_400.0),
        ({b"retry-after": b"-1"}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"inf"}, None),
        ({b"retry-after": b"\xff"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_a_refusal_tells_the_targets_reason() -> None:
    body = orjson.dumps({"error": {"message": "This model's maximum context length is 8192 tokens."}})
    error = status_answer(400, {}, body, "key")
    assert isinstance(error, RefusedError)
    assert "maximum context length is 8192 tokens" in str(error)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_tells_nothing_of_the_key(status: int) -> None:
    body = orjson.dumps({"error": {"message": "Incorrect API key provided: abc"}})
    assert "abc" not in str(status_answer(status, {}, body, None))


@pytest.mark.parametrize(
    "body", [b"", b"<html>gone</html>", b"[1]", b'"x"', b'{"error": []}', b'{"error": {"message": 7}}']
)
def test_an_error_without_words_is_still_that_error(body: bytes) -> None:
    assert str(status_answer(404, {}, body, None)) == "the target refused the request (status 404)"


@pytest.mark.parametrize("status", [100, 204, 302, 399])
def test_what_is_neither_answer_nor_error_is_unavailable(status: int) -> None:
    assert isinstance(status_error(status, {}), UnavailableError)


@pytest.mark.parametrize(
    "hidden",
    [
        "http://10.0.0.5:8000/v1", "10.0.0.5:8000", "10.0.0.5", "node-7.internal:8000", "someone@example.com",
        "sk-abcdefgh12345", "AKIAIOSFODNN7EXAMPLE", "arn:aws:bedrock:eu-central-1:1:model/x", "123456789012",
        "c2VjcmV0LWtleS1vZi1zb21lLWxlbmd0aA==", "the-key",
        "'the words of somebody's prompt that was quoted'", '"the words of a prompt that was quoted in full"',
        "{'input': 'prompt'}", "[{'input': 'prompt'}]", "\nTraceback",
    ],
)  # fmt: skip
def test_a_summary_hides_what_is_not_for_users(hidden: str) -> None:
    told = summary(f"Refused because of {hidden} and so on", "the-key")
    assert told.startswith("Refused because of")
    assert not [word for word in re.findall(r"\w{5,}", hidden) if word in told]
    assert hidden not in told


def test_a_summary_is_short_and_one_line() -> None:
    told = summary("too many words " * 100)
    assert len(told) == 160
    assert summary("a\x00b\x1b[31m\u202ec") == "a…b…"
    assert summary(None) == summary(7) == ""
