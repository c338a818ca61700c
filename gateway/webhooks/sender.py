"""Delivers one webhook: resolves the name itself, connects to the address it has checked, and looks at the address it
is really connected to. No redirect is followed, no proxy is used, nothing of the answer is kept but its status.

Signed as `x-tierwise-signature: t=SECONDS,v1=HEX`, an HMAC-SHA256 over `SECONDS.BODY`; the time lets a receiver refuse
what somebody recorded and sends again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
import ssl
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from gateway.webhooks.addresses import Network, may_reach
from gateway.webhooks.rules import Place
from router_core.errors import ForbiddenError, StoreError
from router_core.ports import Clock

TIMEOUT_S: Final = 10.0
_HEAD: Final = 8_192
_GONE: Final = 410
Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]


class DeliveryError(StoreError):
    """It was not taken this time; another try may help."""


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """The numeric addresses of a host. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class WebhookSender:
    """Sends to public addresses and to `opened` networks."""

    def __init__(
        self,
        clock: Clock,
        opened: tuple[Network, ...] = (),
        *,
        resolving: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock, self._opened, self._resolve = clock, opened, resolving
        self._tls = tls

    async def send(self, place: Place, secret: str, delivery: str, body: bytes) -> None:
        """One delivery. Raises `ForbiddenError` for an address that may not be reached or a receiver that is gone,
        `DeliveryError` where another try may help."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status = await self._send(place, secret, delivery, body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise DeliveryError(f"not delivered: {type(error).__name__}") from None
        if status == _GONE:
            raise ForbiddenError("the receiver wants no more of it")
        if not 200 <= status < 300:
            raise DeliveryError(f"the receiver answered {status}")

    async def _send(self, place: Place, secret: str, delivery: str, body: bytes) -> int:
        addresses = await self._resolve(place.host, place.port)
        if not addresses or not all(may_reach(address, self._opened) for address in addresses):
            raise ForbiddenError("a webhook's address must be a public one")
        tls = self._context() if place.secure else None
        reader, writer = await asyncio.open_connection(
            addresses[0],
            place.port,
            ssl=tls,
            server_hostname=place.host if place.secure else None,
            limit=_HEAD,
        )
        try:
            # What counts is where the connection went, not what a name said before.
            if not may_reach(str(writer.get_extra_info("peername")[0]), self._opened):
                raise ForbiddenError("a webhook's address must be a public one")
            writer.write(self._head(place, secret, delivery, body) + body)
            await writer.drain()
            return _status(await reader.readuntil(b"\r\n"))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _head(self, place: Place, secret: str, delivery: str, body: bytes) -> bytes:
        host = f"[{place.host}]" if ":" in place.host else place.host
        lines = (
            f"POST {place.target} HTTP/1.1",
            f"host: {host}:{place.port}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "user-agent: tierwise-webhook/1",
            f"x-tierwise-delivery: {delivery}",
            f"x-tierwise-signature: {signature(secret, int(self._clock.now_s()), body)}",
            "connection: close",
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The header's value; a receiver makes it again and compares in constant time."""
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def _status(line: bytes) -> int:
    parts = line.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise DeliveryError("the receiver does not speak HTTP")
    return int(parts[1])
