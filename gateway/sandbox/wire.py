"""The thin HTTP layer under both stand-ins: read a bounded request, answer, and notice when the client leaves.

It is plain ASGI because a stand-in must be able to drop a connection in the middle of an answer, which
response classes of frameworks prevent.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import urllib.parse
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from gateway.sandbox.faults import Script, ScriptError, Seen, apply_script

MAX_BODY_BYTES = 25 * 1024 * 1024


class ConnectionCutError(Exception):
    """A script asked for the connection to drop here."""


class BodyTooLargeError(Exception):
    """The request body passes `MAX_BODY_BYTES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, read whole: header names in lower case, `raw_path` as it came over the wire."""

    method: str
    path: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


async def read_request(scope: Scope, receive: Receive) -> Request:
    """Read the whole request. Raises `BodyTooLargeError`; a client that leaves gives a truncated body."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BodyTooLargeError
        parts.append(part)
        more = bool(message.get("more_body", False))
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raw_path = scope.get("raw_path") or urllib.parse.quote(scope["path"]).encode()
    return Request(
        method=scope["method"],
        path=scope["path"],
        raw_path=raw_path.decode("latin-1"),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        body=b"".join(parts),
    )


async def while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Run `work`, and cancel it when the client goes away: a left request must free its slot at once."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionCutError):
            await task


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def send_bytes(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a complete answer; `headers` must hold the content type."""
    fields = _raw({**headers, "content-length": str(len(body))})
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
    """Send a JSON answer."""
    await send_bytes(
        send, status, orjson.dumps(value), {"content-type": "application/json", **(headers or {})}
    )


async def send_half(send: Send, value: object) -> None:
    """Send the first half of a JSON answer and drop the connection."""
    body = orjson.dumps(value)
    fields = _raw({"content-type": "application/json", "content-length": str(len(body))})
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    raise ConnectionCutError


async def send_stream(send: Send, chunks: AsyncIterator[bytes], headers: Mapping[str, str]) -> None:
    """Send chunks as they come. A `ConnectionCutError` from `chunks` leaves the answer unfinished on the wire."""
    await send({"type": "http.response.start", "status": 200, "headers": _raw(headers)})
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def parse_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object. Raises `ValueError` for anything else."""
    value = orjson.loads(body)
    if not isinstance(value, dict):
        raise ValueError("the body is not a JSON object")
    return value


async def answer_control(request: Request, send: Send, token: str | None, script: Script, seen: Seen) -> None:
    """Serve `/_sandbox/script` and `/_sandbox/seen`; without the token both look absent."""
    given = request.headers.get("x-sandbox-token", "")
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        await send_json(send, 404, {"message": "not found"})
    elif request.method == "GET" and request.path == "/_sandbox/seen":
        await send_json(send, 200, seen.report())
    elif request.method == "POST" and request.path == "/_sandbox/script":
        try:
            apply_script(parse_object(request.body), script, seen)
        except (ScriptError, ValueError) as error:
            await send_json(send, 400, {"message": str(error)})
        else:
            await send_json(send, 200, {})
    else:
        await send_json(send, 404, {"message": "not found"})
