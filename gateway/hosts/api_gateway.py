"""Between API Gateway's proxy events and ASGI: the same application answers a socket and an event.

Every header arrives as often as it was sent, because two of one name must look to the application as they are. Paths are
decoded once, here, and both permission and routing read that one string.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import unquote

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
"""ASGI in our own words: the framework is no part of a function."""
Headers = list[tuple[bytes, bytes]]
MOST_BYTES: Final = 5_500_000
"""Lambda answers with 6 MB at most, JSON around the body included."""


class TooLargeAnswerError(Exception):
    """The answer does not fit through Lambda."""


async def answered(app: App, event: Mapping[str, Any]) -> dict[str, Any]:
    """The application's answer in the form API Gateway takes. Raises `TooLargeAnswerError`."""
    body = _body(event)
    told: list[Message] = []
    arrived = False

    async def receive() -> Message:
        nonlocal arrived
        if arrived:  # the caller is API Gateway, which never leaves before us
            await asyncio.Event().wait()
        arrived = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    await app(_scope(event, body), receive, send)
    return _reply(told)


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    return base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()


def _scope(event: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    path = unquote(event.get("path") or "/")
    source = (event.get("requestContext") or {}).get("identity") or {}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": event.get("httpMethod") or "GET",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": _headers(event, len(body)),
        "client": (source.get("sourceIp") or "", 0),
        "server": ("", 443),
    }


def _headers(event: Mapping[str, Any], length: int) -> Headers:
    """As sent, but for the length, which is that of the body as it is here."""
    many = event.get("multiValueHeaders") or {n: [v] for n, v in (event.get("headers") or {}).items()}
    found = [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, values in many.items()
        for value in values
        if name.lower() not in ("content-length", "transfer-encoding")
    ]
    return [*found, (b"content-length", b"%d" % length)]


def _reply(told: list[Message]) -> dict[str, Any]:
    body = b"".join(message.get("body", b"") for message in told[1:])
    if len(body) > MOST_BYTES:
        raise TooLargeAnswerError
    headers: dict[str, list[str]] = {}
    for name, value in told[0]["headers"]:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {
        "statusCode": told[0]["status"],
        "multiValueHeaders": headers,
        "body": body.decode(),
        "isBase64Encoded": False,
    }
