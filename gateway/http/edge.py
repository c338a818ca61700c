"""The outermost layer: every request passes this gate, whatever handles it inside.

It names the request, knows the caller, refuses work while stopping, sends the few busy paths to their handlers by one
dictionary lookup, and leaves the rest to FastAPI. Permission is decided here on `scope["path"]` alone, the same string
that routes, so no `Host` header or odd URL can make the two disagree.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from gateway.byok.header import keyed
from gateway.http import answers
from gateway.http.auth import KeyRing
from gateway.http.exchange import Exchange
from gateway.http.faults import note
from gateway.http.problems import encoded, problem_of
from gateway.http.refusals import ClientLeftError, DrainingError, MethodError
from router_core.errors import AllTargetsFailedError, DeadlineError, ForbiddenError, TierwiseError
from router_core.record import dataclass

if TYPE_CHECKING:  # a Lambda function serves these paths without the framework
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Handler = Callable[[Exchange], Awaitable[None]]

OPEN: Final = frozenset(
    (
        "/health/liveness",
        "/health/liveliness",
        "/health/readiness",
        "/openapi.json",
        "/docs",
    )
)
_LOOPBACK: Final = frozenset(("127.0.0.1", "::1"))
_LOG: Final = logging.getLogger("tierwise.http")
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class HotRoute:
    """A path with one method and a handler that takes the exchange."""

    method: str
    handler: Handler


class Gateway:
    """The ASGI application. `policy_label` names the policy in force for the headers of errors;
    `tiers` gives the tier of each target."""

    def __init__(
        self,
        inside: ASGIApp,
        keys: KeyRing,
        routes: Mapping[str, HotRoute],
        prefixes: Mapping[str, Handler],
        policy_label: Callable[[], str],
        tiers: Mapping[str, str],
    ) -> None:
        self._inside = inside
        self._keys = keys
        self._routes = dict(routes)
        self._prefixes = tuple(prefixes.items())
        self._policy_label = policy_label
        self._tiers = tiers
        self._unfinished: Callable[[], int] = lambda: 0
        self._draining: Callable[[], None] = lambda: None
        self.inflight = 0
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(Exchange(scope, receive, send, new_request_id()), receive, send)
        elif scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    # ---- stopping ----------------------------------------------------------------------------------------------------

    def also_wait_for(self, unfinished: Callable[[], int]) -> None:
        """Work that is not tied to an open request but must end before the process does."""
        self._unfinished = unfinished

    def on_drain(self, begun: Callable[[], None]) -> None:
        """Who else must take no new work from then on."""
        self._draining = begun

    def begin_drain(self) -> None:
        """From now on new work is refused with 503, and readiness says so; what runs goes on."""
        self.draining = True
        self._draining()

    async def drained(self, within_s: float) -> bool:
        """Waits until nothing is in flight; False when `within_s` passed first."""
        deadline = time.monotonic() + within_s
        while self.inflight or self._unfinished():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    # ---- serving -----------------------------------------------------------------------------------------------------

    async def _http(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        self.inflight += 1
        try:
            handler = keyed(self._handler(exchange), exchange)
            if handler is not None:
                await handler(exchange)
            else:
                exchange.scope["tierwise.request_id"] = exchange.request_id
                exchange.scope["tierwise.caller"] = exchange.caller
                await self._inside(exchange.scope, receive, _named(exchange, send))
        except TierwiseError as error:
            await self._refuse(exchange, error)
        except ClientLeftError:
            pass
        except asyncio.CancelledError:
            if not exchange.absorbs_cancellation() and not await self._cut_short(exchange):
                raise
        except Exception as error:
            note(_LOG, error, exchange.request_id)
            await self._refuse(exchange, error)
        finally:
            self.inflight -= 1
            exchange.end()

    async def _cut_short(self, exchange: Exchange) -> bool:
        """The process stops and its grace is over: whoever has no part of an answer yet is told to ask another."""
        if exchange.started or not self.draining:
            return False
        exchange.uncancel()
        await self._refuse(exchange, DrainingError("this instance stopped before the answer was complete"))
        return True

    def _handler(self, exchange: Exchange) -> Handler | None:
        """Who answers; None for FastAPI. Raises when the caller may not pass."""
        path = exchange.path
        route = self._routes.get(path)
        if route is not None:
            exchange.caller = self._keys.caller(exchange.headers.get(b"authorization"))
            if exchange.method != route.method:
                raise MethodError(route.method)
            return self._admitted(route.handler)
        if path in OPEN or (path == "/metrics" and _is_local(exchange.scope)):
            exchange.check_small()
            return None
        exchange.caller = self._keys.caller(exchange.headers.get(b"authorization"))
        if path == "/metrics" or path.startswith("/admin"):
            if exchange.caller.role != "admin":
                raise ForbiddenError("this path needs a key with the admin role")
            exchange.check_small()
            return None
        return next((self._admitted(h) for prefix, h in self._prefixes if path.startswith(prefix)), None)

    def _admitted(self, handler: Handler) -> Handler:
        if self.draining:
            raise DrainingError("this instance is stopping; try another")
        return handler

    async def _refuse(self, exchange: Exchange, error: Exception) -> None:
        if exchange.started:
            # A part of the answer is out. Returning without its end makes the server cut the connection, which is the
            # only honest signal left.
            return
        problem = problem_of(error, openai=exchange.openai)
        headers = problem.headers()
        headers.append(answers.JSON_TYPE if exchange.openai else answers.PROBLEM_TYPE)
        if exchange.caller is not None:
            headers += self._known_headers(error)
        if isinstance(error, DrainingError):
            headers.append((b"connection", b"close"))
        await exchange.reply(
            problem.status, headers, encoded(problem, exchange.request_id, openai=exchange.openai)
        )

    def _known_headers(self, error: Exception) -> answers.Headers:
        """What is known of the decision when an answer failed."""
        label = error.policy if isinstance(error, TierwiseError) and error.policy else self._policy_label()
        known = [(b"x-tierwise-policy", answers.header_value(label))]
        if isinstance(error, (AllTargetsFailedError, DeadlineError)) and error.attempts:
            target = error.attempts[-1].target
            known.append((b"x-tierwise-target", answers.header_value(target)))
            known.append((b"x-tierwise-tier", answers.header_value(self._tiers.get(target, "unknown"))))
        return known


class _RequestIds:
    """`req_`, then 48 bits of milliseconds since the epoch, then 64 random bits: sortable, and not to be guessed.
    Random bytes are drawn from the system by the page, because each draw is a system call."""

    def __init__(self) -> None:
        self._page, self._at = b"", 0

    def __call__(self) -> str:
        if self._at >= len(self._page):
            self._page, self._at = os.urandom(4096), 0
        at = self._at
        self._at = at + 8
        return f"req_{time.time_ns() // 1_000_000:012x}{self._page[at : at + 8].hex()}"


new_request_id: Final = _RequestIds()


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and client[0] in _LOOPBACK


def _named(exchange: Exchange, send: Send) -> Send:
    """`send` that adds the request id to what FastAPI answers."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.started = True
            request_id = (b"x-tierwise-request-id", exchange.request_id.encode())
            message = {**message, "headers": [*message.get("headers", ()), request_id]}
        await send(message)

    return named
