"""No request chooses where the gateway connects to: not by a field, a header, an image or a webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.http.wire.decoding import HOST_CHOOSING
from tests.e2e.hostile.site import Site, Trap
from tests.e2e.hostile.wire import request, say

PIXEL = "data:image/png;base64,iVBORw0KGgo="
SITUATION: dict[str, Any] = {
    "preferences": {"optimize": "cost"}, "device": {"id": "d"}, "network": {"type": "5g"}, "location": {"region": "eu-central-1"},
    "privacy": {"level": "public"},
}  # fmt: skip
_TOOL = {"name": "f", "description": "d"}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED: list[dict[str, Any]] = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [_CALL]},
          {"role": "tool", "tool_call_id": "call_1", "content": "{}"}]  # fmt: skip
_CHOICE = {"type": "function", "function": {"name": "f"}}
_SHAPE = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
MESSAGES: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
    }
]
FULL: dict[str, dict[str, Any]] = {
    "/inference": {"messages": MESSAGES, "params": {"tools": [{"type": "function", "function": _TOOL}], "tool_choice": _CHOICE},
                   "metadata": {"k": "v"}, **SITUATION},
    "/explain": {"messages": CALLED, "params": {"response_format": _SHAPE}, **SITUATION},
    "/v1/chat/completions": {"model": "auto", "messages": MESSAGES, "tools": [{"type": "function", "function": _TOOL}],
                             "stream_options": {}, "tierwise": SITUATION},
    "/v1/completions": {"model": "auto", "prompt": "x", "tierwise": SITUATION},
    "/v1/responses": {"model": "auto", "input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}],
                      "tools": [{"type": "function", **_TOOL}], "text": {"format": {"type": "text"}}, "tierwise": SITUATION},
    "/v1/embeddings": {"model": "auto", "input": "x", "tierwise": SITUATION},
}  # fmt: skip
HEADERS = (
    "x-portkey-custom-host", "x-portkey-config", "x-portkey-provider", "helicone-target-url", "x-litellm-api-base", "x-api-base",
    "x-base-url", "openai-base-url", "x-tierwise-target", "x-upstream", "x-upstream-host", "x-forwarded-host", "x-original-url", "x-proxy-to",
    "x-envoy-original-dst-host", "destination", "x-host", "proxy", "x-forwarded-server", "referer", "origin", "location",
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every object in a body, the outermost included."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def injected(body: dict[str, Any], path: tuple[Any, ...], name: str, value: Any) -> dict[str, Any]:
    """A copy of the body with one more member in the object at `path`."""
    copy: dict[str, Any] = json.loads(json.dumps(body))
    at: Any = copy
    for step in path:
        at = at[step]
    at[name] = value
    return copy


def must_refuse(path: str, at: tuple[Any, ...]) -> bool:
    """Everywhere on our own paths, and under `/v1` at the top and in our own field.

    OpenAI's nested objects may be left unread; a caller's JSON schema is passed on as it is."""
    if "schema" in at:
        return False
    return not path.startswith("/v1/") or at == () or at[0] == "tierwise"


@pytest.mark.parametrize("path", FULL)
def test_no_field_chooses_a_host_at_any_depth(site: Site, path: str) -> None:
    address = f"http://127.0.0.1:{site.trap.port}/v1"
    assert site.post(path, FULL[path]).status == 200, "the body has to be good without the field"
    for at in places(FULL[path]):
        for name in sorted(HOST_CHOOSING):
            value = {"api_base": address, "base_url": address} if name == "user_config" else address
            reply = site.post(path, injected(FULL[path], at, name, value))
            assert reply.status in ((400,) if must_refuse(path, at) else (400, 200)), (path, at, name)
    assert site.trap.seen == []


def test_what_is_left_unread_is_not_passed_on(site: Site) -> None:
    """A host in an object of OpenAI's, where unknown fields are allowed, does not reach the target either."""
    at = ("messages", 0)
    body = injected(
        {**FULL["/v1/chat/completions"], "model": "mec/good"}, at, "api_base", "http://evil.example/"
    )
    assert site.post("/v1/chat/completions", body).status == 200
    assert b"evil.example" not in site.good.requests[-1].body


def test_no_header_chooses_a_host(site: Site) -> None:
    address = f"http://127.0.0.1:{site.trap.port}/v1"
    for value in (
        address,
        f"127.0.0.1:{site.trap.port}",
        json.dumps({"provider": "openai", "custom_host": address}),
    ):
        lines = "".join(f"{name}: {value}\r\n" for name in HEADERS)
        for path, body in (
            ("/inference", {"input": value}),
            ("/v1/chat/completions", {"model": "mec/good", "messages": MESSAGES}),
        ):
            reply = site.post(path, body, headers=lines)
            assert reply.status == 200
    sent_on = site.good.requests[-1].headers
    assert not {name.lower() for name in sent_on} & set(HEADERS)
    assert site.trap.seen == []


def addresses(port: int) -> list[str]:
    """Ways to write this machine, a metadata service or a file that have fooled other servers' checks."""
    here = (
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]", "[2002:7f00:1::]", "[64:ff9b::7f00:1]", "0", "[::]", "evil.example@127.0.0.1", "127.0.0.1.nip.io",
    )  # fmt: skip
    ways = [f"http://{host}:{port}/x.png" for host in here]
    ways += [
        f"http://a\\@127.0.0.1:{port}/", f"http://127.0.0.1:{port}\\@evil.example/", f"http:127.0.0.1:{port}", f"//127.0.0.1:{port}/x.png",
        f"hTTp://127.0.0.1:{port}/", f" http://127.0.0.1:{port}/", f"\thttp://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}/#data:image/png;base64,AAAA", f"gopher://127.0.0.1:{port}/_x", f"ftp://127.0.0.1:{port}/",
        f"dict://127.0.0.1:{port}/", f"view-source:http://127.0.0.1:{port}/", f"url:http://127.0.0.1:{port}/", f"data:,http://127.0.0.1:{port}/",
        f"data:image/png;base64,http://127.0.0.1:{port}/", f"data:image/png,http://127.0.0.1:{port}/", f"data:text/html;base64,AAAA#{port}",
        "http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://[fd00:ec2::254]/", "http://metadata.google.internal/",
        "http://100.100.100.200/", "http://169.254.170.2/v2/credentials", "http://[fec0::1]/", "http://100.64.0.1/", "file:///etc/passwd",
        "file://localhost/etc/passwd", "/etc/passwd", "C:\\secrets", "\\\\evil.example\\share", "jar:file:///x!/y", "s3://bucket/key",
        "", " ", "\x00", "data:", "data:image/png;base64,", "data:image/svg+xml;base64,%%%", "data:image/png;base64,A",
    ]  # fmt: skip
    return ways


def test_an_image_at_an_address_is_refused_however_it_is_written(site: Site) -> None:
    for url in addresses(site.trap.port):
        part = {"type": "image_url", "image_url": {"url": url}}
        message = {"role": "user", "content": [part]}
        item = {"role": "user", "content": [{"type": "input_image", "image_url": url}]}
        for path, body in (
            ("/inference", {"messages": [message]}), ("/explain", {"messages": [message]}),
            ("/v1/chat/completions", {"model": "auto", "messages": [message]}), ("/v1/responses", {"model": "auto", "input": [item]}),
        ):  # fmt: skip
            assert site.post(path, body).status == 400, (path, url)
    assert site.trap.seen == []


def test_a_webhook_is_never_called_at_an_address_inside(site: Site) -> None:
    for url in addresses(site.trap.port):
        for mode in ("sync", "async"):
            reply = site.post("/inference", {"input": "x", "mode": mode, "webhook": {"url": url}})
            assert reply.status in (400, 422), (url, mode)
    assert site.trap.seen == []


def test_names_that_look_like_addresses_are_only_names(site: Site) -> None:
    """Models, targets and users are looked up, never connected to."""
    for url in addresses(site.trap.port)[:24]:
        name = url.strip() or "x"
        chat = {"model": name, "messages": [{"role": "user", "content": "x"}]}
        assert site.post("/v1/chat/completions", chat).status == 404
        wish = {"input": "x", "user": name, "preferences": {"target": name}}
        assert site.post("/inference", wish).status in (400, 404, 422)
    assert site.trap.seen == []


def test_a_target_that_sends_the_gateway_elsewhere_is_not_followed(site: Site) -> None:
    """A redirect would carry the prompt and the key to an address that no settings name."""
    for target in ("mec/leaky", "cloud/leaky"):
        for stream in (False, True):
            body = {"input": f"go to http://127.0.0.1:{site.trap.port}", "stream": stream}
            reply = site.post("/inference", {**body, "preferences": {"target": target, "fallback": False}})
            assert reply.status == 502
            assert str(site.trap.port).encode() not in reply.body
    assert site.trap.seen == []


def test_the_trap_would_have_noticed() -> None:
    with Trap() as trap:
        say(trap.port, request("/", method="GET"))
        assert trap.seen[0].startswith(b"GET / ")
