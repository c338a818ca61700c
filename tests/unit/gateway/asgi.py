"""Calls the application without a socket: one request in, the whole answer out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.types import Message

from gateway.http.app import create_app
from gateway.http.auth import KeyRecord, KeyRing, digest_of
from gateway.http.dependencies import AppDependencies
from gateway.http.edge import Gateway
from gateway.http.ports import EventLookup
from router_core.resources import TargetSpec
from tests.unit.gateway.scripted import OpenLimiter, ScriptedRouter

USER, OTHER, ADMIN, NEAR = "user-key", "other-tenant-key", "admin-key", "device-and-mec-key"
KEYS = KeyRing(
    [
        KeyRecord(id="phone-app", tenant="acme", digest=digest_of(USER)),
        KeyRecord(id="rival-app", tenant="rival", digest=digest_of(OTHER)),
        KeyRecord(id="operator", tenant="acme", digest=digest_of(ADMIN), role="admin"),
        KeyRecord(id="near", tenant="acme", digest=digest_of(NEAR), tiers=("device", "mec")),
    ]
)
CATALOGUE = (
    TargetSpec(name="device/intent-v1", tier="device", kind="onnx", model="intent-v1"),
    TargetSpec(name="mec/edge-a", tier="mec", kind="openai", model="llama-3.1-8b"),
    TargetSpec(name="cloud/nova-pro", tier="cloud", kind="bedrock", model="nova-pro"),
)


def dependencies(
    router: ScriptedRouter, limiter: OpenLimiter | None = None, decisions: EventLookup | None = None
) -> AppDependencies:
    """What the application is built from in tests."""
    return AppDependencies(
        router=router,
        keys=KEYS,
        limiter=limiter or OpenLimiter(),
        metrics=lambda: (b"tierwise_up 1\n", "text/plain; version=0.0.4"),
        catalogue=CATALOGUE,
        aliases={"gpt-4o": "auto", "fast": "auto:latency", "edge": "mec/edge-a"},
        decisions=decisions,
        version="1.2.3",
        started_s=1_700_000_000.0,
    )


def application(
    router: ScriptedRouter | None = None, limiter: OpenLimiter | None = None, **changes: Any
) -> Gateway:
    """The application around a scripted router."""
    return create_app(replace(dependencies(router or ScriptedRouter(), limiter), **changes))


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Server-sent events as (name, data); the data of a line that is no JSON stays text."""
        found = []
        for block in self.body.decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.split("\n") if line)
            if lines:
                data = lines["data"]
                found.append((lines.get("event", ""), data if data == "[DONE]" else json.loads(data)))
        return found


async def call(
    app: Gateway,
    method: str,
    path: str,
    body: bytes | Mapping[str, Any] | None = None,
    *,
    key: str | None = USER,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request. A mapping is sent as JSON; `headers` win over what would be sent anyway."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent = {"host": "gateway", "content-type": "application/json", "content-length": str(len(raw))}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    sent |= headers or {}
    replies: list[Message] = []
    arrived = False

    async def receive() -> Message:
        nonlocal arrived
        if arrived:  # the client stays and says no more
            await asyncio.Event().wait()
        arrived = True
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Message) -> None:
        replies.append(message)

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
        "client": ("203.0.113.7", 50_000),
        "server": ("127.0.0.1", 8080),
    }
    await app(scope, receive, send)
    start = replies[0]
    return Reply(
        status=start["status"],
        headers={name.decode(): value.decode() for name, value in start["headers"]},
        body=b"".join(message.get("body", b"") for message in replies[1:]),
    )
