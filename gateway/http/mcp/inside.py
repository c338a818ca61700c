"""A request to the gateway from within, with the caller's own key: the same gate, limits and refusals as from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from gateway.http.mcp.tools import Ask, NotToldError

App = Callable[..., Awaitable[None]]
MAX_ANSWER_BYTES: Final = 8 * 2**20


def asking(app: App, authorization: bytes) -> Ask:
    """The way in for one caller."""

    async def ask(method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        status, content = await _answered(app, method, path, authorization, body)
        decoded = _decoded(content)
        if 200 <= status < 300:
            return decoded
        problem = decoded if isinstance(decoded, dict) else {}
        raise NotToldError(f"{status}: {problem.get('detail') or problem.get('title') or 'refused'}")

    return ask


async def _answered(
    app: App, method: str, path: str, authorization: bytes, body: Mapping[str, Any] | None
) -> tuple[int, bytes]:
    sent = [json.dumps(body).encode() if body is not None else b""]
    parts, status, size = list[bytes](), [0], [0]

    async def receive() -> MutableMapping[str, Any]:
        if sent:
            return {"type": "http.request", "body": sent.pop(), "more_body": False}
        # Nobody leaves: whoever asks is cancelled with the request it asks for.
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status[0] = message["status"]
        else:
            size[0] += len(message.get("body", b""))
            if size[0] <= MAX_ANSWER_BYTES:
                parts.append(message.get("body", b""))

    await app(_scope(method, path, authorization, len(sent[0])), receive, send)
    if size[0] > MAX_ANSWER_BYTES:
        raise NotToldError("the answer is too large for a tool")
    return status[0], b"".join(parts)


def _scope(method: str, path: str, authorization: bytes, length: int) -> MutableMapping[str, Any]:
    plain, _, query = path.partition("?")
    headers = [
        (b"host", b"inside"),
        (b"authorization", authorization),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % length),
    ]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        # No address: what only this machine may see is not shown by way of a tool.
        "client": None,
        "server": None,
    }


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode(errors="replace")
