"""Where the tools are off or not installed, it is said; one list serves both transports; what is remembered is little."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from gateway.cli.outside.mcp import asking
from gateway.http.mcp.door import DoorRules, McpDoor
from gateway.http.mcp.own import REMEMBERED, Remembered
from gateway.http.mcp.tools import MAX_CHARS, TOOLS, told
from tests.fakes import FakeEvents
from tests.unit.gateway.asgi import ADMIN, application, call
from tests.unit.gateway.scripted import OpenLimiter

DECISION = dict.fromkeys(("time", "class", "tier", "confidence", "decided_by", "policy")) | {
    "kind": "decision",
    "tenant": "acme",
    "chosen": "a",
    "features": {"x": 1},
}
MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


async def test_without_the_package_it_says_what_to_install() -> None:
    door = McpDoor(DoorRules(), OpenLimiter(), installed=lambda: False)
    app = application(mcp=door)
    reply = await call(app, "POST", "/mcp", MESSAGE, key=ADMIN, headers={"host": "localhost"})
    assert reply.status == 404 and "tierwise[deliberation]" in reply.json["detail"]


async def test_switched_off_there_is_nothing() -> None:
    reply = await call(application(), "POST", "/mcp", MESSAGE, key=ADMIN)
    assert reply.status == 404
    reply = await call(application(), "GET", "/admin/policy/proposals", key=ADMIN)
    assert reply.status == 404


def test_a_gateway_does_not_load_the_sdk_before_the_first_message() -> None:
    code = "import gateway.composition.root, sys; print([m for m in ('mcp', 'strands', 'boto3') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


async def test_what_a_tool_tells_is_bounded() -> None:
    async def ask(method: str, path: str, body: Any) -> Any:
        return {"x": "y" * 10 * MAX_CHARS}

    text = await told(ask, "models", {})
    assert len(text) < MAX_CHARS + 20 and text.endswith("[shortened]")


async def test_a_gateway_that_is_away_is_told_in_a_sentence() -> None:
    from gateway.cli.client import Client

    text = await told(asking(Client(url="http://127.0.0.1:9", timeout_s=1.0)), "models", {})
    assert '"error"' in text and "no gateway answers" in text


@pytest.mark.parametrize("name", TOOLS)
def test_every_schema_is_closed(name: str) -> None:
    schema = TOOLS[name].schema
    assert schema["additionalProperties"] is False
    for rule in schema["properties"].values():
        assert "enum" in rule or "maxLength" in rule or "maxItems" in rule or "maximum" in rule


def test_little_is_remembered_and_passed_on_whole() -> None:
    events = FakeEvents()
    kept = Remembered(events)
    for n in range(REMEMBERED + 10):
        kept.emit({**DECISION, "request_id": f"req_{n}"})
    kept.emit({"kind": "decision", "tenant": "acme", "chosen": None})
    found = kept.newest("acme", {}, 50)
    assert (
        len(found) == 50 and found[0]["request_id"] == f"req_{REMEMBERED + 9}" and "features" not in found[0]
    )
    assert len(kept.newest("acme", {}, 10**9)) == REMEMBERED
    assert len(events.records) == REMEMBERED + 11
