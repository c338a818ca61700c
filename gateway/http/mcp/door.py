"""`/mcp`: the tools over streamable HTTP, for agents that hold one of our keys.

Without sessions: each message is complete and carries its key, so that any worker and replica can answer it and there is no
session to steal; a session id, which we never give, is one that we do not know (404). What a browser could be talked into is
refused before the protocol is looked at: a `Host` that is not ours (DNS rebinding) and a foreign `Origin`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.http.bodies import check_depth
from gateway.http.exchange import Exchange
from gateway.http.mcp.inside import App, asking
from gateway.http.mcp.tools import Ask
from gateway.http.refusals import MethodError
from router_core.errors import ForbiddenError, NotFoundError, RequestError
from router_core.ports import RateLimiter
from router_core.record import dataclass

PATH: Final = "/mcp"
MAX_BODY_BYTES: Final = 256 * 1024
_SESSION: Final = b"mcp-session-id"
_OWN: Final = frozenset(("localhost", "127.0.0.1", "::1"))
_CALLER: Final[ContextVar[bytes]] = ContextVar("tierwise_mcp_caller")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRules:
    """`hosts` are names under which this gateway is reached, beside this machine's own and addresses; `origins` the pages that may
    ask from a browser, beside those of such a host."""

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    body_timeout_s: float = 30.0
    version: str = "0"


class McpDoor:
    """Handler of `/mcp`. `into` says which application answers the tools' questions; `close` ends what runs."""

    def __init__(
        self, rules: DoorRules, limiter: RateLimiter, *, installed: Callable[[], bool] | None = None
    ) -> None:
        self._rules, self._limiter = rules, limiter
        self._installed = installed or (lambda: find_spec("mcp") is not None)
        self._hosts = _OWN | {host.lower() for host in rules.hosts}
        self._inside: App | None = None
        self._opening = asyncio.Lock()
        self._app: App | None = None
        self._task: asyncio.Task[None] | None = None

    def into(self, app: App) -> None:
        """The gate itself, so that tools pass it like anybody."""
        self._inside = app

    async def __call__(self, exchange: Exchange) -> None:
        """One message."""
        if exchange.path != PATH:
            raise NotFoundError("there is nothing here")
        self._check_place(exchange)
        if exchange.method != "POST":
            # No stream from us to you: nothing here ever happens by itself.
            raise MethodError("POST")
        if _header(exchange, _SESSION) is not None:
            raise NotFoundError("this session is not known: send each message without one")
        body = await exchange.read_json(MAX_BODY_BYTES, self._rules.body_timeout_s)
        check_depth(body)
        if body.lstrip()[:1] != b"{":
            raise RequestError("send one message per request, as a JSON object")
        await self._limiter.admit(exchange.known.key_id, 0)
        app = await self._opened()
        _CALLER.set(exchange.headers[b"authorization"])
        await exchange.reply(*await _answered(app, exchange.scope, body))

    async def close(self) -> None:
        """End the server behind, if it ever began."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _check_place(self, exchange: Exchange) -> None:
        """Raises `ForbiddenError`."""
        host = _header(exchange, b"host")
        name = _name(host)
        if name is None or not (name in self._hosts or _is_address(name)):
            raise ForbiddenError("this is no host of ours: name it in mcp.hosts")
        origin = _header(exchange, b"origin")
        if origin is None or origin in self._rules.origins:
            return
        scheme, _, place = origin.partition("://")
        if scheme not in ("http", "https") or place.lower() != (host or "").lower():
            raise ForbiddenError("this origin may not ask: name it in mcp.origins")

    async def _opened(self) -> App:
        """The SDK's application, made at the first message."""
        if self._app is None:
            async with self._opening:
                if self._app is None:
                    self._app = await self._open()
        return self._app

    async def _open(self) -> App:
        if not self._installed():
            raise NotFoundError("MCP needs its package: pip install 'tierwise[deliberation]'")
        made = await asyncio.to_thread(import_module, "gateway.http.mcp.server")
        manager_module = await asyncio.to_thread(import_module, "mcp.server.streamable_http_manager")
        server = made.tool_server(self._ask, self._rules.version)
        manager = manager_module.StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=MAX_BODY_BYTES
        )
        ready = asyncio.Event()
        self._task = asyncio.create_task(_keep(manager, ready))
        await ready.wait()
        app: App = manager.asgi_app
        return app

    def _ask(self) -> Ask:
        assert self._inside is not None, "the gate is made before it serves"  # noqa: S101 - an invariant
        return asking(self._inside, _CALLER.get())


async def _keep(manager: Any, ready: asyncio.Event) -> None:
    """The SDK's task group belongs to one task."""
    async with manager.run():
        ready.set()
        await asyncio.Event().wait()


async def _answered(
    app: App, scope: MutableMapping[str, Any], body: bytes
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The SDK's answer, whole."""
    sent, parts, head = [body], list[bytes](), dict[str, Any]()

    async def receive() -> MutableMapping[str, Any]:
        if sent:
            return {"type": "http.request", "body": sent.pop(), "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            head.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    kept = [(name, value) for name, value in head["headers"] if name.lower() == b"content-type"]
    return head["status"], kept, b"".join(parts)


def _header(exchange: Exchange, wanted: bytes) -> str | None:
    """The one value of a header; of a header that comes twice nobody knows which is meant."""
    found = [value for name, value in exchange.scope["headers"] if name == wanted]
    if len(found) > 1:
        raise RequestError(f"the header {wanted.decode()} is given twice")
    return found[0].decode("latin-1") if found else None


def _name(host: str | None) -> str | None:
    """A host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname if host else None
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    """A page that a name was bound to again cannot send an address as its host."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
