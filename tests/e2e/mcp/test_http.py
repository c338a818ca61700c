"""The official client over `/mcp` on a real socket: the same tools, each key its own rights, and hostile messages."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.http.mcp.tools import TOOLS
from tests.running import RunningGateway, running_gateway

mcp = pytest.importorskip("mcp", reason="the deliberation extra is not installed")
httpx2 = pytest.importorskip("httpx2", reason="the official client's own HTTP client is not installed")
pytestmark = pytest.mark.server
ACME, RIVAL = "acme-key-0123456789", "rival-key-0123456789"
SETTINGS = """
[policy]
file = "policy.json"
[mcp]
hosts = ["gw.example.com"]
origins = ["https://tools.example.com"]
[[keys]]
id = "acme-app"
tenant = "acme"
secret = "env:ACME_KEY"
[[keys]]
id = "rival-app"
tenant = "rival"
secret = "env:RIVAL_KEY"
requests_per_min = 30
tiers = ["device", "mec"]
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("mcp")
    (folder / "tierwise.toml").write_text(SETTINGS)
    (folder / "policy.json").write_text('{"proposals": {"mode": "propose"}}')
    keys = {"ACME_KEY": ACME, "RIVAL_KEY": RIVAL}
    with running_gateway("--sandbox", folder=folder, environment=keys) as running:
        yield running


@asynccontextmanager
async def session(gateway: RunningGateway, key: str) -> AsyncIterator[Any]:
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=60.0) as client,
        streamable_http_client(f"{gateway.url}/mcp", http_client=client) as streams,
        mcp.ClientSession(streams[0], streams[1]) as opened,
    ):
        await opened.initialize()
        yield opened


async def told(opened: Any, name: str, **arguments: Any) -> Any:
    answer = await opened.call_tool(name, arguments)
    text = answer.content[0].text
    return json.loads(text) if text.startswith(("{", "[")) else text


def post(
    gateway: RunningGateway,
    body: Any,
    key: str | None = ACME,
    method: str = "POST",
    path: str = "/mcp",
    **headers: str,
) -> tuple[int, Any]:
    """One raw message: status and decoded body."""
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if key is not None:
        given["authorization"] = f"Bearer {key}"
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, sent, given)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    return answer.status, json.loads(content) if content else None


def ask(gateway: RunningGateway, key: str, path: str, body: Any) -> Any:
    status, answer = post(gateway, body, key, path=path)
    assert status == 200, answer
    return answer


async def test_the_same_tools_as_over_standard_input(gateway: RunningGateway) -> None:
    async with session(gateway, gateway.key) as opened:
        listed = (await opened.list_tools()).tools
        assert [tool.name for tool in listed] == list(TOOLS)
        assert [tool.input_schema for tool in listed] == [tool.schema for tool in TOOLS.values()]
        assert [tool.name for tool in listed if not tool.annotations.read_only_hint] == ["propose"]
        decided = await told(opened, "what_if", text="turn off the kitchen lights", optimize="latency")
        assert decided["routing"]["tier"] == "device" and decided["output"] is None
        assert "mec/edge-sim" in json.dumps(await told(opened, "state_of_targets"))
        assert "tierwise_target_up" in await told(opened, "metrics")
        assert (await told(opened, "policy"))["document"]["proposals"]["mode"] == "propose"


async def test_the_newest_protocol_speaks_with_it_too(gateway: RunningGateway) -> None:
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {ACME}"}, timeout=60.0) as client,
        mcp.Client(streamable_http_client(f"{gateway.url}/mcp", http_client=client)) as opened,
    ):
        assert [tool.name for tool in (await opened.list_tools()).tools] == list(TOOLS)
        assert (await told(opened, "policy"))["error"].startswith("403")


async def test_a_tenant_sees_its_own_and_nothing_of_operators(gateway: RunningGateway) -> None:
    body = {"input": "what is the capital of France", "preferences": {"optimize": "cost"}}
    mine, theirs = (ask(gateway, key, "/inference", body)["request_id"] for key in (ACME, RIVAL))
    async with session(gateway, ACME) as acme, session(gateway, RIVAL) as rival:
        # Both at once, so that a mix-up of who asks would show.
        for _ in range(3):
            one, two = await asyncio.gather(told(acme, "similar_decisions"), told(rival, "similar_decisions"))
            assert mine in json.dumps(one) and theirs not in json.dumps(one)
            assert theirs in json.dumps(two) and mine not in json.dumps(two)
        assert (await told(acme, "why", request_id=mine))["request_id"] == mine
        assert (await told(acme, "why", request_id=theirs))["error"].startswith("404")
        assert {one["tier"] for one in (await told(rival, "prices"))["prices"]} <= {"device", "mec"}
        for tool in ("state_of_targets", "policy", "metrics", "proposals"):
            assert (await told(acme, tool))["error"].startswith("403"), tool
        refused = await told(acme, "propose", changes=[{"key": "cache.ttl_s", "value": 310.0}], why="mine")
        assert refused["error"].startswith("403")


async def test_a_proposal_waits_and_changes_nothing(gateway: RunningGateway) -> None:
    async with session(gateway, gateway.key) as opened:
        before = await told(opened, "policy")
        found = await told(
            opened, "propose", changes=[{"key": "cache.ttl_s", "value": 320.0}], why="fewer misses"
        )
        assert found["state"] == "waiting" and found["by"] == "local"
        assert found["verdict"] == "not enough evidence", "past requests were decided again"
        assert [one["id"] for one in (await told(opened, "proposals"))["proposals"]] == [found["id"]]
        assert await told(opened, "policy") == before
        for changes in (
            [{"key": "tiers.cloud.max_privacy", "value": 1}],
            [{"key": "cache.ttl_s", "value": 3000.0}],
            [{"key": "proposals.max_step", "value": 1.0}],
            [],
            [{"key": "cache.ttl_s"}],
            ["x"],
        ):
            assert "error" in await told(opened, "propose", changes=changes, why="wider")
        assert "error" in await told(
            opened, "propose", changes=[{"key": "cache.ttl_s", "value": 310.0}], why=""
        )


@pytest.mark.parametrize("key", [None, "junk", "x" * 600])
def test_no_key_or_junk_is_401(gateway: RunningGateway, key: str | None) -> None:
    for message in (INITIALIZE, LIST):
        assert post(gateway, message, key)[0] == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[", "host": "localhost"}, 403),
        ({"origin": "https://tools.example.com"}, 200),
        ({"host": "gw.example.com", "origin": "https://gw.example.com"}, 200),
        ({"host": "gw.example.com", "origin": "https://gw.example.com.evil.example"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "localhost:8080"}, 200),
        ({"host": "[::1"}, 403),
        ({"mcp_session_id": "junk"}, 404),
        ({"mcp_session_id": "0" * 32}, 404),
        ({"content_type": "text/plain"}, 415),
    ],
)
def test_where_a_message_may_come_from(gateway: RunningGateway, headers: dict[str, str], status: int) -> None:
    assert post(gateway, INITIALIZE, **headers)[0] == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([INITIALIZE, LIST], 400),
        (b"[" * 100_000, 413),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, 413),
        (b"x" * (256 * 1024 + 1), 413),
        (b"{" + b" " * (256 * 1024), 413),
        (b"", 400),
        (b"null", 400),
        (b"{", 400),
        ({"jsonrpc": "1.0", "id": 1, "method": 3}, 400),
        ({}, 400),
    ],
)
def test_what_is_no_message_is_refused(gateway: RunningGateway, body: Any, status: int) -> None:
    assert post(gateway, body)[0] == status


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_stream_and_no_session_to_end(gateway: RunningGateway, method: str) -> None:
    assert post(gateway, b"", method=method)[0] == 405


@pytest.mark.parametrize("path", ["/mcp/", "/mcpx", "/mcp/../admin/policy"])
def test_no_other_path_is_reached(gateway: RunningGateway, path: str) -> None:
    assert post(gateway, INITIALIZE, path=path)[0] == 404


def call(name: str, arguments: Any) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": 3,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    }


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("why", {"request_id": "../admin/keys"}),
        ("why", {"request_id": ["req_1"]}),
        ("why", {}),
        ("what_if", {"text": "x" * 20_001}),
        ("what_if", {"text": "x", "target": "cloud/nova-pro"}),
        ("what_if", {"text": "x", "privacy": "none"}),
        ("similar_decisions", {"limit": 10**9}),
        ("similar_decisions", {"limit": True}),
        ("similar_decisions", {"tenant": "rival"}),
        ("accept", {}),
        ("drain", {"name": "mec/edge-sim"}),
    ],
)
def test_arguments_are_checked_and_no_tool_writes(gateway: RunningGateway, name: str, arguments: Any) -> None:
    status, answer = post(gateway, call(name, arguments))
    assert status == 200
    assert "error" in json.loads(answer["result"]["content"][0]["text"])


@pytest.mark.parametrize(
    "target", ["/decisions?limit=0", "/decisions?limit=x", "/decisions?tenant=rival", "/decisions?class=x"]
)
def test_a_query_is_checked(gateway: RunningGateway, target: str) -> None:
    assert post(gateway, b"", method="GET", path=target)[0] == 400


def test_the_keys_limit_counts_messages(gateway: RunningGateway) -> None:
    statuses = [post(gateway, LIST, RIVAL)[0] for _ in range(35)]
    assert 429 in statuses and statuses[-1] == 429
