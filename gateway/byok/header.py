"""Takes a caller's own key out of its header, for as long as the request lasts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.http.exchange import PROVIDER_KEY, Exchange
from router_core.errors import RequestError
from router_core.own_key import OwnKey, holding

Handler = Callable[[Exchange], Awaitable[None]]
_LONGEST: Final = 512


def keyed(handler: Handler | None, exchange: Exchange) -> Handler | None:
    """The handler, holding the key that the request brings; itself where it brings none. Raises RequestError for what can be
    no key."""
    given = exchange.headers.get(PROVIDER_KEY)
    if given is None or handler is None:
        return handler
    key, inner = OwnKey(_checked(given)), handler

    async def held(exchange: Exchange) -> None:
        with holding(key):
            await inner(exchange)

    return held


def _checked(given: bytes) -> str:
    text = given.strip()
    if not 0 < len(text) <= _LONGEST or not text.isascii() or any(not 0x20 < byte < 0x7F for byte in text):
        raise RequestError("the header x-tierwise-provider-key holds no key, or comes twice")
    return text.decode("ascii")
