"""A chat stream understood however it is cut, repaired where nothing is lost, and refused where something is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.adapters.wire.openai_sse import MAX_EVENT_BYTES, EventReader
from router_core.adapters.wire.openai_stream import ChatStream
from router_core.errors import ThrottledError, UnavailableError
from router_core.execution import Chunk, Usage
from router_core.inference import Params
from tests.unit.adapters_http.test_openai_wire import call


def event(
    delta: dict[str, Any] | None = None, index: int = 0, finish: str | None = None, **more: Any
) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return b"data: " + orjson.dumps({"choices": [choice], **more}) + b"\n\n"


def tool(index: int | None = 0, **function: Any) -> dict[str, Any]:
    delta: dict[str, Any] = {"function": {k: v for k, v in function.items() if k != "id"}}
    if index is not None:
        delta["index"] = index
    if "id" in function:
        delta["id"] = function["id"]
    return {"tool_calls": [delta]}


DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 2}}\n\n'
PLAIN = event({"role": "assistant", "content": ""}) + event({"content": "Grüße"}) + event({"content": " an"})
PLAIN += event({"content": " alle"}, finish="stop") + USAGE + DONE


def read(pieces: Iterable[bytes], *, n: int = 1) -> list[Chunk]:
    """All chunks of a stream. Raises its error."""
    stream = ChatStream(call(Params(extra={"n": n})), {})
    chunks: list[Chunk] = []
    for piece in (*pieces, b""):
        chunks += stream.feed(piece)
        if stream.error is not None:
            raise stream.error
        if stream.done:
            break
    return chunks + stream.finish()


def texts(chunks: list[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks if chunk.text]


def fragments(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [dict(fragment) for chunk in chunks for fragment in chunk.tool_calls]


def arguments(chunks: list[Chunk]) -> str:
    return "".join(fragment["function"]["arguments"] for fragment in fragments(chunks))


def reasons(chunks: list[Chunk]) -> list[str]:
    return [chunk.finish_reason for chunk in chunks if chunk.finish_reason]


# ---- bytes to events -------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 40), max_size=60), st.booleans())
def test_where_the_bytes_are_cut_does_not_matter(sizes: list[int], crlf: bool) -> None:
    data = PLAIN.replace(b"\n", b"\r\n") if crlf else PLAIN
    pieces, start = [], 0
    for size in sizes:
        pieces.append(data[start : start + size])
        start += size
    assert read([*(piece for piece in pieces if piece), data[start:]]) == read([PLAIN])


def test_comments_other_fields_and_a_missing_blank_are_no_trouble() -> None:
    data = b": keep-alive\n\nevent: message\nid: 7\nretry: 5\n" + PLAIN.replace(b"data: ", b"data:")
    assert read([data]) == read([PLAIN])


def test_several_data_lines_make_one_event() -> None:
    data = b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "a"}, "finish_reason": "stop"}]}\n\n'
    assert texts(read([data, DONE])) == ["a"]


@pytest.mark.parametrize(
    "ending", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n", b"data:[DONE] \n\n"]
)
def test_the_last_blank_line_may_be_missing(ending: bytes) -> None:
    assert texts(read([event({"content": "a"}), ending])) == ["a"]


def test_an_event_is_bounded_however_it_is_spread() -> None:
    line = b"data: " + b"x" * 1_000 + b"\n"
    for pieces in ([b"data: " + b"x" * MAX_EVENT_BYTES], [line] * 1_100, [b"x" * MAX_EVENT_BYTES, b"xx"]):
        reader = EventReader()
        with pytest.raises(UnavailableError, match="too large"):
            for piece in pieces:
                list(reader.feed(piece))


# ---- events to chunks ------------------------------------------------------------------------------------------------


def test_a_plain_stream() -> None:
    chunks = read([PLAIN])
    assert texts(chunks) == ["Grüße", " an", " alle"]
    assert reasons(chunks) == ["stop"]
    assert chunks[-1] == Chunk(usage=Usage(prompt_tokens=2, completion_tokens=2))


def test_usage_that_comes_with_every_chunk_is_given_once_and_last() -> None:
    told = [event({"content": "a"}, usage={"prompt_tokens": 2, "completion_tokens": i}) for i in (1, 2)]
    chunks = read([*told, event(finish="stop"), DONE])
    assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(prompt_tokens=2, completion_tokens=2)]


def test_reasoning_refusal_and_logprobs_are_kept() -> None:
    logprobs = {"content": [{"token": "a"}]}
    data = [event({"reasoning_content": "hm"}), event({"reasoning": "so"}), event({"refusal": "no"})]
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": logprobs, "finish_reason": "stop"}
    chunks = read([*data, b"data: " + orjson.dumps({"choices": [choice]}) + b"\n\n", DONE])
    assert [chunk.reasoning for chunk in chunks[:2]] == ["hm", "so"]
    assert chunks[2].refusal == "no"
    assert chunks[3].logprobs == logprobs


def test_choices_end_one_by_one_and_nothing_follows_their_end() -> None:
    data = [
        event({"content": "a"}, 0), event({"content": "b"}, 1), event({}, 0, "stop"), event({"content": "x"}, 0),
        event({}, 0, "stop"), event({"content": "c"}, 1), event({}, 1, "length"), DONE,
    ]  # fmt: skip
    chunks = read(data, n=2)
    assert [(c.index, c.text, c.finish_reason) for c in chunks if c.usage is None] == [
        (0, "a", None), (1, "b", None), (0, "", "stop"), (1, "c", None), (1, "", "length"),
    ]  # fmt: skip


def test_a_done_without_finish_reason_ends_every_open_choice() -> None:
    assert reasons(read([event({"content": "a"}), DONE])) == ["stop"]
    assert reasons(read([event(tool(id="1", name="f", arguments="{}")), DONE])) == ["tool_calls"]


@pytest.mark.parametrize(
    "data", [b"", event({"content": "a"}), event({"content": "a"})[:-9], USAGE, b": comment\n\n"]
)
def test_an_end_without_mark_or_reason_is_a_cut(data: bytes) -> None:
    with pytest.raises(UnavailableError, match=r"cut|malformed"):
        read([data])


def test_a_choice_that_never_came_is_a_cut() -> None:
    with pytest.raises(UnavailableError, match="cut"):
        read([event({"content": "a"}, 0, "stop")], n=2)


def test_a_done_without_any_choice_is_no_answer() -> None:
    with pytest.raises(UnavailableError, match="without an answer"):
        read([DONE])


@pytest.mark.parametrize(
    "data",
    [b"{", b"7", b"[]", b'{"choices": 7}', b'{"choices": [7]}', b'{"choices": [{"delta": 7}]}', b"\xff",
     b'{"choices": [{"delta": {"content": 7}}]}', b'{"choices": [{"delta": {"content": ["a"]}}]}',
     b'{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}]}'],
)  # fmt: skip
def test_malformed_data_is_an_error(data: bytes) -> None:
    with pytest.raises(UnavailableError, match="malformed"):
        read([b"data: " + data + b"\n\n"])


def test_what_came_before_an_error_in_the_same_bytes_is_kept() -> None:
    stream = ChatStream(call(), {})
    chunks = stream.feed(event({"content": "a"}) + b"data: {\n\n" + event({"content": "b"}))
    assert texts(chunks) == ["a"]
    assert isinstance(stream.error, UnavailableError)


def test_a_throttling_error_in_the_stream_brings_the_headers_wait() -> None:
    stream = ChatStream(call(), {b"retry-after": b"2"})
    stream.feed(b'data: {"error": {"code": 429, "message": "busy"}}\n\n')
    assert isinstance(stream.error, ThrottledError)
    assert stream.error.retry_after_s == 2.0


# ---- tool calls ------------------------------------------------------------------------------------------------------


def test_repeated_ids_and_names_are_given_once() -> None:
    parts = [event(tool(id="1", name="f", arguments=text)) for text in ('{"a"', ":1", "}")]
    chunks = read([*parts, event(finish="tool_calls"), DONE])
    function = {"name": "f", "arguments": '{"a"'}
    assert fragments(chunks) == [
        {"index": 0, "id": "1", "type": "function", "function": function},
        {"index": 0, "function": {"arguments": ":1"}},
        {"index": 0, "function": {"arguments": "}"}},
    ]


def test_a_missing_id_is_made_and_differs_per_call() -> None:
    parts = [event(tool(index, name="f", arguments="{}")) for index in (0, 1)]
    chunks = read([*parts, event(finish="tool_calls"), DONE])
    assert [one["id"] for one in fragments(chunks)] == ["call_r_0", "call_r_1"]


def test_without_an_index_a_name_begins_the_next_call() -> None:
    parts = [
        tool(None, id="1", name="f", arguments="{"),
        tool(None, arguments="}"),
        tool(None, id="2", name="g", arguments="{}"),
    ]
    chunks = read([*map(event, parts), event(finish="tool_calls"), DONE])
    assert [(one["index"], one["function"]["arguments"]) for one in fragments(chunks)] == [
        (0, "{"),
        (0, "}"),
        (1, "{}"),
    ]


def test_a_call_without_arguments_gets_an_empty_object() -> None:
    chunks = read([event(tool(id="1", name="f")), event(finish="tool_calls"), DONE])
    assert arguments(chunks) == "{}"
    assert reasons(chunks) == ["tool_calls"]


def test_truncated_arguments_are_an_error_before_the_finish_reason() -> None:
    stream = ChatStream(call(), {})
    chunks = stream.feed(event(tool(id="1", name="f", arguments='{"a":')) + event(finish="tool_calls"))
    assert reasons(chunks) == []
    assert isinstance(stream.error, UnavailableError)


def test_arguments_cut_by_the_token_limit_say_so_with_their_reason() -> None:
    """As OpenAI does: the caller set the limit and is told that it was reached."""
    chunks = read([event(tool(id="1", name="f", arguments='{"a":')), event(finish="length"), DONE])
    assert reasons(chunks) == ["length"]
