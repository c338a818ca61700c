"""The agents on Bedrock AgentCore Runtime: its container contract in front of the one path, without a web framework.

The platform asks `GET /ping` and posts JSON to `/invocations`; who may do so is decided there, by IAM or a token, before
anything arrives here. An invocation names an action, and all that ask for a decision or an answer pass the same gate as in the
gateway, with a key that only this process knows. The caller is the key `agentcore` of the settings (its tenant, tiers and
limits), or a user of the tenant `agentcore`. The microVM is one session's; its id is the request's session unless it names one.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from gateway.hosts.agentcore_parts import AgentParts, build
from gateway.http import answers
from gateway.http.bodies import check_depth
from gateway.http.edge import new_request_id
from gateway.http.problems import encoded, problem_of
from gateway.http.refusals import MethodError
from router_core.errors import NotFoundError, RequestError, TierwiseError, TooLargeError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]
MAX_BODY_BYTES: Final = 2**20
BODY_S: Final = 30.0
SESSION: Final = b"x-amzn-bedrock-agentcore-runtime-session-id"
HEALTHY, BUSY = "Healthy", "HealthyBusy"
_SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PATHS: Final = {"ask": "/inference", "explain": "/explain"}
ACTIONS: Final = (*_PATHS, "deliberate", "propose", "proposals")


class AgentCoreHost:
    """The ASGI application. `make` builds what it is made of, once, when the server starts."""

    def __init__(self, make: Callable[[], Awaitable[AgentParts]]) -> None:
        self._make = make
        self._parts: AgentParts | None = None
        self._rounds = 0
        self._changed_s = time.time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's message, or the server's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self._parts = await self._make()
                except TierwiseError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._parts is not None:
                    await self._parts.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except TierwiseError as error:
            problem = problem_of(error)
            body = encoded(problem, new_request_id(), openai=False)
            await _reply(send, problem.status, body, [*problem.headers(), answers.PROBLEM_TYPE])

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/ping":
            if method != "GET":
                raise MethodError("GET")
            status = BUSY if self._rounds else HEALTHY
            await _reply_json(send, {"status": status, "time_of_last_update": int(self._changed_s)})
        elif path == "/invocations":
            if method != "POST":
                raise MethodError("POST")
            await self._invoke(_invocation(await _body(receive)), scope, receive, send)
        else:
            raise NotFoundError("there is nothing here")

    async def _invoke(self, asked: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
        action, parts = asked["action"], self._parts
        assert parts is not None, "the server starts before it serves"  # noqa: S101 - an invariant
        if action == "proposals":
            kept = await parts.desk.book.all()
            await _reply_json(send, {"proposals": [one.summary() for one in kept]})
        elif action == "propose":
            await _reply_json(send, await self._propose(parts, asked))
        else:
            request = {**_object(asked, "request")}
            session = _session(scope)
            if session is not None:
                request.setdefault("session_id", session)
            if action == "deliberate":
                await _reply_json(send, await parts.deliberate(request))
            else:
                await parts.app(*_inner(parts, _PATHS[action], request, receive), send)

    async def _propose(self, parts: AgentParts, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A change that is named, or a round of the agents that may end in one; stored, never put in force from here."""
        if "changes" in asked:
            return await parts.propose(asked["changes"], asked.get("why"))
        self._count(1)
        try:
            return await parts.look(str(asked.get("why") or "asked at AgentCore"))
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._rounds += change
        self._changed_s = time.time()


def app() -> AgentCoreHost:
    """For a server that is told to call a factory."""
    return AgentCoreHost(lambda: build(os.environ))


def _invocation(body: bytes) -> dict[str, Any]:
    """Raises `RequestError`."""
    check_depth(body)
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("the body is not JSON") from None
    if not isinstance(asked, dict) or asked.get("action") not in ACTIONS:
        raise RequestError(f"action must be one of {', '.join(ACTIONS)}", field="$.action")
    unknown = sorted(asked.keys() - {"action", "request", "changes", "why"})
    if unknown:
        raise RequestError(
            "an invocation holds action, request, changes and why", field=f"$.{unknown[0][:64]}"
        )
    return asked


def _object(asked: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = asked.get(name)
    if not isinstance(found, dict):
        raise RequestError(f"{name} must be an object, in the form of POST /inference", field=f"$.{name}")
    return found


def _session(scope: Scope) -> str | None:
    """The runtime's own id of the session, where it could be one of ours."""
    found = next((value.decode("latin-1") for name, value in scope["headers"] if name == SESSION), "")
    return found if _SESSION_ID.fullmatch(found) else None


def _inner(
    parts: AgentParts, path: str, request: Mapping[str, Any], receive: Receive
) -> tuple[Scope, Receive]:
    """The request as the gate takes it, with this process's own key. What the client does next is the client's."""
    sent = [json.dumps(request).encode()]
    headers = [
        (b"authorization", b"Bearer " + parts.key.encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(sent[0])),
    ]

    async def first() -> MutableMapping[str, Any]:
        if sent:
            return {"type": "http.request", "body": sent.pop(), "more_body": False}
        return await receive()

    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": None}
    return scope, first


async def _body(receive: Receive) -> bytes:
    """Raises `TooLargeError`, or `RequestError` for one that does not arrive."""
    try:
        async with asyncio.timeout(BODY_S):
            return await _whole(receive)
    except TimeoutError:
        raise RequestError(f"the body did not arrive within {BODY_S:g} s") from None


async def _whole(receive: Receive) -> bytes:
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestError("the connection ended before the body did")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise TooLargeError(f"the body is larger than {MAX_BODY_BYTES} bytes")
        more = message.get("more_body", False)
    return b"".join(parts)


async def _reply_json(send: Send, body: Mapping[str, Any]) -> None:
    await _reply(send, 200, json.dumps(body, default=dict).encode(), [answers.JSON_TYPE])


async def _reply(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
