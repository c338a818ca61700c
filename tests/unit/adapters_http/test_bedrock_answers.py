"""Converse's answers and events in core terms, complete by the service's own description."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.sandbox.eventstream import event, exception, frame
from router_core.adapters.wire.aws_errors import ERRORS, answer_error
from router_core.adapters.wire.bedrock_answers import FINISH, ConverseReader, read_answer, read_usage
from router_core.adapters.wire.bedrock_request import ANSWER_TOOL
from router_core.errors import RefusedError, TargetError, ThrottledError, UnavailableError
from router_core.execution import Chunk, Usage
from router_core.inference import Params
from router_core.ports import ModelCall
from tests.unit.adapters_http.bedrock_model import members, service, values
from tests.unit.adapters_http.test_openai_wire import call

AS_OBJECT = Params(response_format={"type": "json_object"})
USAGE = {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8}


def whole(*blocks: Any, stop: str = "end_turn") -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": stop,
        "usage": USAGE,
    }


def delta(block: int = 0, **content: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": block, "delta": content})


def tool_start(block: int = 0, name: str = "f") -> bytes:
    use = {"toolUseId": f"t{block}", "name": name}
    return event("contentBlockStart", {"contentBlockIndex": block, "start": {"toolUse": use}})


def stop(reason: str = "end_turn") -> bytes:
    return event("messageStop", {"stopReason": reason}) + event("metadata", {"usage": USAGE})


def read(*frames: bytes, of: ModelCall | None = None) -> list[Chunk]:
    reader = ConverseReader(of or call(), {}, native_schema=True)
    chunks = reader.feed(event("messageStart", {"role": "assistant"}) + b"".join(frames))
    if reader.error is not None:
        raise reader.error
    return chunks + reader.finish()


# ---- completeness ----------------------------------------------------------------------------------------------------


def test_every_error_the_service_declares_is_mapped() -> None:
    declared = {shape.name for shape in service().error_shapes}
    assert len(declared) > 10
    assert declared - ERRORS.keys() == set()


def test_every_exception_of_a_stream_is_mapped() -> None:
    exceptions = {name for name in members("ConverseStreamOutput") if name.endswith("Exception")}
    assert exceptions
    assert {name[0].upper() + name[1:] for name in exceptions} - ERRORS.keys() == set()


def test_every_stop_reason_ends_an_answer_or_is_an_error_on_purpose() -> None:
    assert values("StopReason") - FINISH.keys() == {"malformed_model_output", "malformed_tool_use"}


@pytest.mark.parametrize("code", sorted(ERRORS))
@pytest.mark.parametrize("form", ["{}", "{}:http://internal.amazon.com/coral/", "com.amazon.coral#{}"])
def test_a_code_is_read_in_every_form_and_beats_the_status(code: str, form: str) -> None:
    headers = {b"x-amzn-errortype": form.format(code).encode(), b"retry-after": b"4"}
    for error in (
        answer_error(418, headers, b"{}"),
        answer_error(418, {}, orjson.dumps({"__type": form.format(code)})),
    ):
        assert type(error) is ERRORS[code]
    if ERRORS[code] is ThrottledError:
        error = answer_error(429, headers, b"")
        assert isinstance(error, ThrottledError)
        assert error.retry_after_s == 4.0


@pytest.mark.parametrize(
    ("status", "expected"), [(429, ThrottledError), (503, UnavailableError), (400, RefusedError)]
)
def test_an_unknown_code_is_judged_by_its_status(status: int, expected: type[TargetError]) -> None:
    assert type(answer_error(status, {b"x-amzn-errortype": b"NewException"}, b"<xml/>")) is expected


def test_accounts_and_roles_are_not_told_but_what_is_wrong_with_the_request_is() -> None:
    words = b'{"message": "User: arn:aws:iam::111122223333:user/me is not authorized"}'
    assert "111122223333" not in str(
        answer_error(403, {b"x-amzn-errortype": b"AccessDeniedException"}, words)
    )
    told = answer_error(
        400, {b"x-amzn-errortype": b"ValidationException"}, b'{"message": "maxTokens is too large"}'
    )
    assert "maxTokens is too large" in str(told)


# ---- whole answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", sorted(FINISH))
def test_stop_reasons_become_openais(reason: str) -> None:
    assert (
        read_answer(whole({"text": "a"}, stop=reason), call(), native_schema=True).choices[0].finish_reason
        == FINISH[reason]
    )
    assert [c.finish_reason for c in read(delta(text="a"), stop(reason)) if c.finish_reason] == [
        FINISH[reason]
    ]


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use", "something new"])
def test_an_unusable_answer_is_an_error(reason: str) -> None:
    with pytest.raises(UnavailableError):
        read_answer(whole({"text": "a"}, stop=reason), call(), native_schema=True)
    with pytest.raises(UnavailableError):
        read(delta(text="a"), stop(reason))


def test_text_reasoning_and_tool_calls_are_kept() -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "x"}}}
    choice = read_answer(
        whole(thought, {"text": "a"}, {"text": "b"}, use, stop="tool_use"), call(), native_schema=True
    ).choices[0]
    assert (choice.text, choice.reasoning, choice.finish_reason) == ("ab", "hm", "tool_calls")
    assert choice.tool_calls == (
        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
    )


def test_a_forced_tools_input_is_the_text() -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": ANSWER_TOOL, "input": {"city": "Köln"}}}
    choice = read_answer(
        whole({"text": "Sure!"}, use, stop="tool_use"), call(AS_OBJECT), native_schema=True
    ).choices[0]
    assert (choice.text, choice.tool_calls, choice.finish_reason) == ('{"city":"Köln"}', (), "stop")


@pytest.mark.parametrize(
    "body",
    [{}, {"output": {}}, {"output": {"message": {}}}, {"output": {"message": {"content": [7]}}},
     {"output": {"message": {"content": [{"toolUse": {}}]}}}, {"output": {"message": {"content": [{"text": 7}]}}}],
)  # fmt: skip
def test_an_answer_without_its_form_is_an_error(body: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError):
        read_answer(body, call(), native_schema=True)


def test_usage_includes_what_was_read_from_and_written_to_the_cache() -> None:
    told = {**USAGE, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 2}
    assert read_usage(told) == Usage(prompt_tokens=14, completion_tokens=3, cached_tokens=7)
    assert read_usage(None) is None


# ---- streams ---------------------------------------------------------------------------------------------------------


def test_tool_calls_in_a_stream_are_numbered_from_zero() -> None:
    chunks = read(
        delta(0, text="Let me see."), tool_start(1), delta(1, toolUse={"input": '{"a"'}),
        delta(1, toolUse={"input": ":1}"}), tool_start(2, "g"), stop("tool_use"),
    )  # fmt: skip
    calls = [dict(one) for chunk in chunks for one in chunk.tool_calls]
    assert calls == [
        {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 0, "function": {"arguments": ":1}"}},
        {"index": 1, "id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls"]


def test_a_forced_tools_input_streams_as_text() -> None:
    chunks = read(
        delta(0, text="Sure!"), tool_start(1, ANSWER_TOOL), delta(1, toolUse={"input": '{"a"'}),
        delta(1, toolUse={"input": ":1}"}), stop("tool_use"), of=call(AS_OBJECT),
    )  # fmt: skip
    assert "".join(chunk.text for chunk in chunks) == '{"a":1}'
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert not any(chunk.tool_calls for chunk in chunks)


def test_reasoning_streams_apart_from_text() -> None:
    chunks = read(
        delta(reasoningContent={"text": "hm"}),
        delta(reasoningContent={"signature": "x"}),
        delta(text="a"),
        stop(),
    )
    assert [(chunk.reasoning, chunk.text) for chunk in chunks[:2]] == [("hm", ""), ("", "a")]


@pytest.mark.parametrize(
    ("prefix", "answer", "expected"),
    [
        ("so ", " far", "far"),
        ("so ", "far", "far"),
        ("so", " far", " far"),
        ("so\n", "\n\nfar", "\nfar"),
        ("so ", "\nfar", "\nfar"),
        ("so  ", " far", "far"),
    ],
)
def test_blanks_cut_from_the_prefix_are_not_given_twice(prefix: str, answer: str, expected: str) -> None:
    continued = call(continuation=prefix)
    assert read_answer(whole({"text": answer}), continued, native_schema=True).choices[0].text == expected
    assert "".join(chunk.text for chunk in read(delta(text=answer), stop(), of=continued)) == expected


def test_an_exception_in_the_stream_is_mapped_after_what_came_before() -> None:
    reader = ConverseReader(call(), {}, native_schema=True)
    chunks = reader.feed(delta(text="a") + exception("throttlingException", "slow down"))
    assert [chunk.text for chunk in chunks] == ["a"]
    assert isinstance(reader.error, ThrottledError)


def test_an_error_event_without_a_known_code_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        read(frame({":message-type": "error", ":error-code": "Odd", ":error-message": "x"}, b""))


@pytest.mark.parametrize(
    "data", [event("contentBlockDelta", {}), event("contentBlockDelta", 7), delta(0, toolUse={"input": "x"}), event("messageStop", {}),
             frame({":message-type": "event", ":event-type": "messageStop"}, b"{")],
)  # fmt: skip
def test_malformed_events_are_an_error(data: bytes) -> None:
    with pytest.raises(UnavailableError, match="malformed"):
        read(data)


def test_unknown_events_are_passed_over() -> None:
    assert read(event("somethingNew", {"a": 1}), delta(text="a"), stop())[0].text == "a"


def test_an_end_without_stop_or_metadata_is_a_cut() -> None:
    with pytest.raises(UnavailableError, match="cut"):
        read(delta(text="a"))


def test_truncated_arguments_are_an_error_unless_the_limit_cut_them() -> None:
    cut = (tool_start(), delta(toolUse={"input": '{"a":'}))
    with pytest.raises(UnavailableError, match="truncated"):
        read(*cut, stop("tool_use"))
    assert [chunk.finish_reason for chunk in read(*cut, stop("max_tokens")) if chunk.finish_reason] == [
        "length"
    ]
