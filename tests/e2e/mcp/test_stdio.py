"""The official client over `tierwise mcp`: what outside agents see, and that nothing can be changed through it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.http.mcp.tools import TOOLS
from tests.running import RunningGateway

mcp = pytest.importorskip("mcp", reason="the deliberation extra is not installed")
pytestmark = pytest.mark.server


@asynccontextmanager
async def session(gateway: RunningGateway, key: str | None = None) -> AsyncIterator[Any]:
    environ = {**os.environ, "TIERWISE_URL": gateway.url, "TIERWISE_KEY": key or gateway.key}
    command = mcp.StdioServerParameters(command=sys.executable, args=["-m", "gateway", "mcp"], env=environ)
    async with mcp.stdio_client(command) as (read, write), mcp.ClientSession(read, write) as opened:
        await opened.initialize()
        yield opened


async def told(opened: Any, name: str, **arguments: Any) -> Any:
    answer = await opened.call_tool(name, arguments)
    text = answer.content[0].text
    return json.loads(text) if text.startswith(("{", "[")) else text


async def test_an_agent_outside_can_look_and_ask_why(sandbox_gateway: RunningGateway) -> None:
    async with session(sandbox_gateway) as opened:
        listed = (await opened.list_tools()).tools
        assert [tool.name for tool in listed] == list(TOOLS)
        assert [tool.name for tool in listed if not tool.annotations.read_only_hint] == ["propose"]
        targets = await told(opened, "state_of_targets")
        assert "mec/edge-sim" in json.dumps(targets)
        decided = await told(opened, "what_if", text="turn off the kitchen lights", optimize="latency")
        assert decided["routing"]["tier"] == "device" and decided["output"] is None
        near = await told(opened, "what_if", text="what is love", privacy="restricted")
        assert near["routing"]["tier"] != "cloud"
        assert "tierwise_target_up" in await told(opened, "metrics")
        assert "deliberation" in json.dumps(await told(opened, "policy"))
        assert {one["target"] for one in (await told(opened, "prices"))["prices"]} >= {"mec/edge-sim"}
        refused = await told(opened, "propose", changes=[{"key": "cache.ttl_s", "value": 310.0}], why="x")
        assert refused["error"].startswith("403"), "the packaged policy takes no proposals"
        for name in ("../admin/keys", "req_1/../../admin/policy", "", "x" * 500):
            assert "error" in await told(opened, "why", request_id=name)


async def test_a_wrong_key_is_told_nothing(sandbox_gateway: RunningGateway) -> None:
    async with session(sandbox_gateway, key="junk") as opened:
        for name in ("state_of_targets", "policy", "models"):
            assert (await told(opened, name))["error"].startswith("401")
