"""Each kind of fault does on the wire what its name says, seen with plain sockets and with stock clients."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests.upstream.faults import Kind
from tests.upstream.server import Fault, FaultServer, refusing_url

HELLO: Any = [{"role": "user", "content": "hi there"}]
WHOLE = "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9"
NOVA = "amazon.nova-lite-v1:0"


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def client(upstream: FaultServer) -> Iterator[openai.OpenAI]:
    upstream.requests.clear()
    with openai.OpenAI(base_url=upstream.base_url, api_key="x", max_retries=0, timeout=60) as one:
        yield one


@pytest.fixture(scope="module")
def bedrock(upstream: FaultServer) -> Iterator[Any]:
    client: Any = boto3.client(
        "bedrock-runtime", endpoint_url=upstream.url, region_name="eu-central-1", aws_access_key_id="a",
        aws_secret_access_key="b", config=Config(retries={"max_attempts": 0}, read_timeout=60),
    )  # fmt: skip
    yield client
    client.close()


def tokens_in(data: bytes | bytearray) -> int:
    return data.count(b'"content": "w') + data.count(b'"content": " w')


def is_complete(data: bytes) -> bool:
    """True for a whole chunked answer, or one as long as its headers say."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return len(body) == int(length[1]) if length else data.endswith(b"\r\n0\r\n\r\n")


def raw(upstream: FaultServer, fault: Fault, *, silent_after: int | None = None, **fields: Any) -> bytes:
    """Everything that comes over the wire, and how it ended: complete, closed, reset, or silent.

    Silence is looked for only once `silent_after` tokens are there, so that a slow machine is not taken for it.
    """
    body = json.dumps({"model": "m", "messages": HELLO, "stream": True, **fields}).encode()
    upstream.next(fault)
    with socket.create_connection(
        ("127.0.0.1", int(upstream.url.rsplit(":", 1)[1])), timeout=60
    ) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        data = bytearray()
        try:
            ended = received(connection, data, silent_after)
        except TimeoutError:
            ended = b"<OPEN>"
        except ConnectionResetError:
            ended = b"<RST>"
    return bytes(data) + ended


def received(connection: socket.socket, data: bytearray, silent_after: int | None) -> bytes:
    """Reads into `data` until the answer is complete, or the peer closes."""
    while not is_complete(bytes(data[-4096:] if len(data) > 1 << 20 else data)):
        if silent_after is not None and tokens_in(data) >= silent_after:
            connection.settimeout(0.2)
        part = connection.recv(1 << 20)
        if not part:
            return b"<FIN>"
        data += part
    return b""


def stream_text(client: openai.OpenAI, messages: Any = HELLO, **fields: Any) -> str:
    chunks = client.chat.completions.create(model="m", messages=messages, stream=True, **fields)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_an_ordinary_answer_is_the_whole_sequence_streamed_or_not(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="m", messages=HELLO)
    assert answer.choices[0].message.content == stream_text(client) == WHOLE
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 10)
    assert client.completions.create(model="m", prompt="x", max_tokens=2).choices[0].text == "w0 w1"


def test_a_prefix_is_continued_with_the_next_word(client: openai.OpenAI) -> None:
    messages = [*HELLO, {"role": "assistant", "content": "w0 w1 w2"}]
    assert stream_text(client, messages) == " w3 w4 w5 w6 w7 w8 w9"
    assert stream_text(client, messages, max_tokens=1) == " w3"


@pytest.mark.parametrize(
    ("fault", "ending", "tokens"),
    [
        (Fault(kind="cut_after", tokens=4), b"<FIN>", 4),
        (Fault(kind="cut_after", tokens=4, reset=True), b"<RST>", 4),
        (Fault(kind="cut_after", tokens=4, framing="close"), b"<FIN>", 4),
        (Fault(kind="stall_after", tokens=2), b"<OPEN>", 2),
        (Fault(kind="half_open"), b"<OPEN>", 0),
    ],
)
def test_cuts_stalls_and_silence(upstream: FaultServer, fault: Fault, ending: bytes, tokens: int) -> None:
    got = raw(upstream, fault, silent_after=tokens if ending == b"<OPEN>" else None)
    assert got.endswith(ending)
    assert tokens_in(got) == tokens
    assert b"[DONE]" not in got
    assert (b"transfer-encoding: chunked" in got) is (
        fault.framing == "chunked" and fault.kind != "half_open"
    )


@pytest.mark.parametrize(
    ("kind", "present", "absent"),
    [
        ("none", b'"finish_reason": "stop"', b"error"),
        ("malformed", b'{"content": "w\n\n', b"error"),
        ("no_finish", b'"usage"', b'"finish_reason": "stop"'),
        ("no_usage", b'"finish_reason": "stop"', b'"usage"'),
        ("no_done", b'"usage"', b"[DONE]"),
        ("stream_error", b'{"error": {', b'"w3"'),
        ("gzip_garbage", b"content-encoding: gzip", b"[DONE]"),
        ("error_body", b"HTTP/1.1 200 OK\r\ncontent-type: application/json", b"[DONE]"),
        ("slow_headers", b"[DONE]", b"error"),
    ],
)
def test_what_each_fault_puts_on_the_wire(
    upstream: FaultServer, kind: Kind, present: bytes, absent: bytes
) -> None:
    got = raw(upstream, Fault(kind=kind, delay_s=0.05), stream_options={"include_usage": True})
    assert present in got
    assert absent not in got


def test_the_end_can_be_sent_twice_and_an_event_can_be_huge(upstream: FaultServer) -> None:
    assert raw(upstream, Fault(kind="double_done")).count(b"data: [DONE]") == 2
    assert len(raw(upstream, Fault(kind="oversized", size_bytes=20 * 1024 * 1024))) > 20 * 1024 * 1024


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_an_error_status_comes_with_retry_after_only_when_told(
    upstream: FaultServer, client: openai.OpenAI, status: int
) -> None:
    upstream.next(Fault(kind="status", status=status, retry_after="2"), Fault(kind="status", status=status))
    for expected in ("2", None):
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="m", messages=HELLO)
        assert caught.value.status_code == status
        assert caught.value.response.headers.get("retry-after") == expected


def test_tool_arguments_can_end_in_the_middle(upstream: FaultServer, client: openai.OpenAI) -> None:
    tools: Any = [{"type": "function", "function": {"name": "act"}}]
    upstream.next(Fault(), Fault(kind="truncated_tool_json"))
    calls = [
        client.chat.completions.create(model="m", messages=HELLO, tools=tools).choices[0].message.tool_calls
        for _ in range(2)
    ]
    arguments = [call[0].function.arguments for call in calls if call and call[0].type == "function"]
    assert json.loads(arguments[0]) == {"value": "w0 w1 w2"}
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments[1])


def test_refused_means_nobody_listens() -> None:
    with refusing_url() as url, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=1)


async def test_a_client_that_leaves_is_noticed_with_its_time(upstream: FaultServer) -> None:
    upstream.requests.clear()
    upstream.next(Fault(kind="stall_after", tokens=2))
    async with openai.AsyncOpenAI(base_url=upstream.base_url, api_key="x", max_retries=0) as client:
        stream = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
        await anext(aiter(stream))
        assert not upstream.wait_closed(0)
        left_at = time.monotonic()
        await stream.close()
    assert await asyncio.to_thread(upstream.wait_closed)
    assert upstream.closed_at is not None
    assert upstream.closed_at >= left_at
    assert upstream.requests[0].finished is False


def test_probes_follow_health_and_take_no_fault(upstream: FaultServer, client: openai.OpenAI) -> None:
    upstream.next(Fault(kind="status", status=500))
    assert next(iter(client.models.list())).id == "test-model"
    upstream.healthy = False
    with pytest.raises(openai.InternalServerError):
        client.models.list()
    upstream.healthy = True
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="m", messages=HELLO)
    assert [one.path for one in upstream.requests] == ["/v1/chat/completions"]
    assert upstream.requests[0].json["messages"] == HELLO


def nova_stream(bedrock: Any) -> Any:
    return bedrock.converse_stream(modelId=NOVA, messages=[{"role": "user", "content": [{"text": "hi"}]}])[
        "stream"
    ]


def nova_events(bedrock: Any) -> list[Any]:
    with closing(nova_stream(bedrock)) as stream:
        return list(stream)


def test_bedrock_streams_and_continues_the_same_words(bedrock: Any) -> None:
    events = nova_events(bedrock)
    words = [e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e]
    assert "".join(words) == WHOLE
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 10
    turns = [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"text": "w0 w1"}]},
    ]
    answer = bedrock.converse(modelId=NOVA, messages=turns, inferenceConfig={"maxTokens": 2})
    assert answer["output"]["message"]["content"] == [{"text": " w2 w3"}]


@pytest.mark.parametrize(
    ("fault", "error", "deltas"),
    [
        (Fault(kind="stream_error", tokens=3), "EventStreamError", 3),
        (Fault(kind="cut_after", tokens=2), "ProtocolError", 2),
        (Fault(kind="malformed", tokens=5), "ChecksumMismatch", 5),
    ],
)
def test_bedrock_streams_fail_after_that_many_tokens(
    upstream: FaultServer, bedrock: Any, fault: Fault, error: str, deltas: int
) -> None:
    upstream.next(fault)
    seen: list[Any] = []
    with closing(nova_stream(bedrock)) as stream, pytest.raises(Exception) as caught:
        seen.extend(stream)
    assert type(caught.value).__name__ == error
    assert isinstance(caught.value, EventStreamError) is (fault.kind == "stream_error")
    assert sum("contentBlockDelta" in event for event in seen) == deltas


def test_bedrock_events_can_be_missing(upstream: FaultServer, bedrock: Any) -> None:
    upstream.next(Fault(kind="no_finish"), Fault(kind="no_usage"))
    without_stop, without_usage = nova_events(bedrock), nova_events(bedrock)
    assert not any("messageStop" in event for event in without_stop)
    assert not any("metadata" in event for event in without_usage)


@pytest.mark.parametrize(
    ("status", "code"), [(429, "ThrottlingException"), (503, "ServiceUnavailableException")]
)
def test_bedrock_errors_carry_the_code_of_their_status(
    upstream: FaultServer, bedrock: Any, status: int, code: str
) -> None:
    upstream.next(Fault(kind="status", status=status))
    with pytest.raises(ClientError) as caught:
        nova_stream(bedrock)
    assert caught.value.response["Error"]["Code"] == code
