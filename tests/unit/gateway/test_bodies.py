"""Hostile and mistaken bodies get the status the interface promises, and never more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.bodies import MAX_DEPTH, check_depth, check_repeats
from router_core.errors import RequestError, TooLargeError
from tests.unit.gateway.asgi import ADMIN, application, call
from tests.unit.gateway.scripted import ScriptedRouter

MESSAGE = {"role": "user", "content": "hi"}


def inference(**fields: Any) -> bytes:
    return json.dumps({"input": "hi", **fields}).encode()


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "auto", "messages": [MESSAGE], **fields}).encode()


def nested(levels: int) -> bytes:
    """A valid body that is `levels` deep in all, five of them around a tool's schema."""
    inner = levels - 5
    schema = '{"a":' * inner + "1" + "}" * inner
    return (
        f'{{"input":"x","params":{{"tools":[{{"function":{{"name":"t","parameters":{schema}}}}}]}}}}'.encode()
    )


INFERENCE_CASES: list[tuple[str, bytes, int]] = [
    ("nothing", b"", 400),
    ("no JSON", b"turn off the lights", 400),
    ("an array", b"[]", 400),
    ("null", b"null", 400),
    ("trailing text", b'{"input":"x"} x', 400),
    ("neither messages nor input", b"{}", 400),
    ("both messages and input", inference(messages=[MESSAGE]), 400),
    ("input twice", b'{"input":"a","input":"b"}', 400),
    ("messages twice", b'{"messages":[{"role":"user","content":"a"}],"messages":[]}', 400),
    ("empty messages", b'{"messages":[]}', 400),
    ("empty input", inference(input=""), 400),
    ("NaN", b'{"input":"x","preferences":{"min_quality":NaN}}', 400),
    ("Infinity", b'{"input":"x","preferences":{"max_cost_usd":Infinity}}', 400),
    ("1e999", b'{"input":"x","device":{"battery":1e999}}', 400),
    ("a number of 400 digits", b'{"input":"x","params":{"max_tokens":1' + b"0" * 400 + b"}}", 400),
    ("a number of 5,000 digits", b'{"input":"x","params":{"seed":1' + b"0" * 5000 + b"}}", 400),
    ("invalid UTF-8", b'{"input":"\xff\xfe"}', 400),
    ("invalid UTF-8 in a name", b'{"\xff":1}', 400),
    ("half a surrogate pair", b'{"input":"\\ud800"}', 400),
    ("a byte order mark", b'\xef\xbb\xbf{"input":"x"}', 400),
    ("unknown field", inference(colour="red"), 400),
    ("unknown nested field", inference(device={"colour": "red"}), 400),
    ("unknown field in a message", json.dumps({"messages": [{**MESSAGE, "mood": 1}]}).encode(), 400),
    ("wrong type", inference(stream="yes"), 400),
    ("number as text", inference(params={"max_tokens": "128"}), 400),
    ("bool as number", inference(params={"max_tokens": True}), 400),
    ("unknown task", inference(task="paint"), 400),
    ("battery above 1", inference(device={"battery": 1.5}), 400),
    ("latency of 0", inference(preferences={"max_latency_ms": 0}), 400),
    ("latency above ten minutes", inference(preferences={"max_latency_ms": 600_001}), 400),
    ("no tiers", inference(preferences={"tiers": []}), 400),
    ("unknown tier", inference(preferences={"tiers": ["moon"]}), 400),
    ("latitude of 91", inference(location={"lat": 91}), 400),
    ("unknown role", json.dumps({"messages": [{"role": "robot", "content": "x"}]}).encode(), 400),
    ("no content", json.dumps({"messages": [{"role": "user"}]}).encode(), 400),
    ("empty parts", json.dumps({"messages": [{"role": "user", "content": []}]}).encode(), 400),
    ("tool answer to nothing", json.dumps({"messages": [{"role": "tool", "content": "x"}]}).encode(), 400),
    ("streamed and asynchronous", inference(stream=True, mode="async"), 400),
    ("webhook for a synchronous request", inference(webhook={"url": "https://example.com"}), 400),
    ("webhook without a queue", inference(mode="async", webhook={"url": "https://example.com"}), 422),
    ("17 metadata entries", inference(metadata={f"k{i}": "v" for i in range(17)}), 413),
    ("metadata of 513 characters", inference(metadata={"k": "v" * 513}), 413),
    ("metadata with a long name", inference(metadata={"k" * 65: "v"}), 400),
    ("2,049 messages", json.dumps({"messages": [MESSAGE] * 2049}).encode(), 413),
    ("65 levels", nested(65), 413),
    ("100,000 open brackets", b"[" * 100_000, 413),
    ("the host in metadata", inference(metadata={"api_base": "http://169.254.169.254"}), 400),
    *((f"{name} at the top", inference(**{name: "x"}), 400) for name in ("api_base", "base_url", "api_key")),
    *((f"{name} in params", inference(params={name: {}}), 400) for name in ("extra_headers", "user_config")),
    (
        "base_url inside a tool",
        inference(params={"tools": [{"type": "function", "function": {"name": "t", "base_url": "x"}}]}),
        400,
    ),
]

CHAT_CASES: list[tuple[str, bytes, int]] = [
    ("no JSON", b"{", 400),
    ("no model", json.dumps({"messages": [MESSAGE]}).encode(), 400),
    ("no messages", b'{"model":"auto"}', 400),
    ("unknown model", chat(model="gpt-17"), 404),
    ("empty model", chat(model=""), 400),
    ("temperature of 3", chat(temperature=3), 400),
    ("1,000 choices", chat(n=1000), 400),
    ("no choices", chat(n=0), 400),
    ("unknown field in tierwise", chat(tierwise={"colour": "red"}), 400),
    ("api_base in tierwise", chat(tierwise={"api_base": "http://h"}), 400),
    ("user_config in tierwise.preferences", chat(tierwise={"preferences": {"user_config": {}}}), 400),
    ("api_base at the top", chat(api_base="http://h"), 400),
    ("base_url at the top", chat(base_url="http://h"), 400),
    ("extra_headers at the top", chat(extra_headers={"x": "y"}), 400),
    ("a model and another target", chat(model="mec/edge-a", tierwise={"preferences": {"target": "x"}}), 400),
    ("a tool that is no function", chat(tools=[{"type": "web_search"}]), 400),
    ("a number no tier can encode", b'{"model":"auto","messages":[{"role":"user","content":"x"}],"tools":[{"type":'
     b'"function","function":{"name":"t","parameters":{"maximum":' + b"9" * 40 + b"}}}]}", 400),
    ("audio wanted", chat(modalities=["text", "audio"]), 400),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"), [c[1:] for c in INFERENCE_CASES], ids=[c[0] for c in INFERENCE_CASES]
)
async def test_inference_refuses_a_bad_body_with_its_status_before_the_router_sees_it(
    body: bytes, status: int
) -> None:
    router = ScriptedRouter()
    reply = await call(application(router), "POST", "/inference", body)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "request_id"} <= reply.json.keys()
    assert reply.json["status"] == status
    assert router.asked == []


@pytest.mark.parametrize(("body", "status"), [c[1:] for c in CHAT_CASES], ids=[c[0] for c in CHAT_CASES])
async def test_chat_refuses_a_bad_body_in_openais_form(body: bytes, status: int) -> None:
    router = ScriptedRouter()
    reply = await call(application(router), "POST", "/v1/chat/completions", body)
    assert reply.status == status
    assert set(reply.json) == {"error"}
    assert {"message", "type", "param", "code"} <= reply.json["error"].keys()
    assert router.asked == []


async def test_an_unknown_field_is_named_with_its_place() -> None:
    reply = await call(application(), "POST", "/inference", inference(device={"batery": 0.5}))
    assert "batery" in reply.json["detail"]
    assert reply.json["field"] == "$.device"


@pytest.mark.parametrize("levels", [6, 30, 64])
async def test_nesting_up_to_the_limit_is_taken(levels: int) -> None:
    assert (await call(application(), "POST", "/inference", nested(levels))).status == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.text(alphabet='[]{}"\\ab\n', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(alphabet='[{"\\m', max_size=4), inner, max_size=4)
    ),
    max_leaves=40,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(JSON, st.integers(min_value=0, max_value=MAX_DEPTH + 8))
def test_depth_is_judged_as_a_parser_would_whatever_the_strings_hold(value: Any, extra: int) -> None:
    for _ in range(extra):
        value = [value, "]}" * 40, '["' * 40]
    body = json.dumps(value).encode()
    if depth_of(value) > MAX_DEPTH:
        with pytest.raises(TooLargeError):
            check_depth(body)
    else:
        check_depth(body)


@pytest.mark.parametrize(
    ("body", "twice"),
    [
        (b'{"input":"a","metadata":{"input":"b"}}', False),
        (b'{"input":"say \\"input\\": twice"}', False),
        (b'{"input":"input"}', False),
        (b'{"input" : "a", "x": {"y": [1]}, "input"\n:"b"}', True),
        (b'{"a":"\\\\","input":"a","input":"b"}', True),
        (b"{" + b'"input":1,' * 5000 + b'"x":1}', True),
    ],
)
def test_a_member_counts_as_repeated_only_at_the_top_and_outside_strings(body: bytes, twice: bool) -> None:
    if twice:
        with pytest.raises(RequestError, match="twice"):
            check_repeats(body, (b"input",))
    else:
        check_repeats(body, (b"input",))


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=latin-1", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
async def test_only_json_is_taken(content_type: str, status: int) -> None:
    reply = await call(
        application(), "POST", "/inference", inference(), headers={"content-type": content_type}
    )
    assert reply.status == status


async def test_a_body_announced_too_large_is_refused_without_being_read_and_the_connection_closed() -> None:
    reply = await call(
        application(), "POST", "/inference", inference(), headers={"content-length": str(10 * 2**20 + 1)}
    )
    assert (reply.status, reply.headers["connection"]) == (413, "close")


async def test_a_body_that_turns_out_too_large_is_refused() -> None:
    app = application(max_body_bytes=100)
    long = inference(input="x" * 200)
    assert (await call(app, "POST", "/inference", long, headers={"content-length": "90"})).status == 413


@pytest.mark.parametrize("path", ["/admin/targets/mec/edge-a/drain", "/health/liveness"])
@pytest.mark.parametrize("header", [{"content-length": "100000000"}, {"transfer-encoding": "chunked"}])
async def test_a_flood_of_a_path_without_a_body_limit_of_its_own_is_refused(
    path: str, header: dict[str, str]
) -> None:
    reply = await call(application(), "POST", path, b"{}", key=ADMIN, headers=header)
    assert (reply.status, reply.headers["connection"]) == (413, "close")
