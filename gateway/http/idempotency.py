"""`Idempotency-Key`: the same request sent again gets the first one's answer instead of a second execution.

Only answers are kept, no failures: a client that repeats a failed request means it. Everything stays in memory and is
bounded by count, bytes and age; a key is forgotten early rather than memory spent.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import field
from typing import Final

from gateway.http.exchange import Headers
from router_core.errors import ConflictError, RequestError
from router_core.record import dataclass

KEEP_S: Final = 24 * 3600.0
_LONGEST_KEY: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer as it was sent. `restricted`: to a request whose content stays in this process."""

    status: int
    headers: Headers
    body: bytes
    restricted: bool = False


@dataclass(slots=True, kw_only=True)
class _Entry:
    body_digest: bytes
    born_s: float
    over: asyncio.Event = field(default_factory=asyncio.Event)
    answered: Answered | None = None


class IdempotentAnswers:
    """Answers by (tenant, key). Use `claim`, then `keep` or `give_up`."""

    def __init__(self, most: int, most_bytes: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._now_s = now_s
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    async def claim(self, tenant: str, key: str, body_digest: bytes) -> Answered | None:
        """The earlier answer, waiting for one that is being made; None when the caller is to make it.

        Raises ConflictError when the key came with another body."""
        while True:
            self._forget_old()
            entry = self._entries.get((tenant, key))
            if entry is None:
                self._entries[tenant, key] = _Entry(body_digest=body_digest, born_s=self._now_s())
                return None
            if entry.body_digest != body_digest:
                raise ConflictError("this Idempotency-Key was used with another body")
            if entry.answered is not None:
                return entry.answered
            await entry.over.wait()

    def keep(self, tenant: str, key: str, answered: Answered) -> None:
        """The claimed answer is there."""
        entry = self._entries.get((tenant, key))
        if entry is not None:
            entry.answered = answered
            entry.over.set()
            self._bytes += len(answered.body)

    def give_up(self, tenant: str, key: str) -> None:
        """There will be no answer; whoever waits may try. Does nothing after `keep`."""
        entry = self._entries.get((tenant, key))
        if entry is not None and entry.answered is None:
            del self._entries[tenant, key]
            entry.over.set()

    def _forget_old(self) -> None:
        """Oldest first; a request that is still running is never forgotten, whatever its age."""
        horizon = self._now_s() - KEEP_S
        while self._entries:
            place, entry = next(iter(self._entries.items()))
            over_limit = len(self._entries) > self._most or self._bytes > self._most_bytes
            if entry.answered is None or not (over_limit or entry.born_s < horizon):
                return
            self._bytes -= len(entry.answered.body)
            del self._entries[place]


def checked_key(value: bytes) -> str:
    """The header's value; raises RequestError unless it is 1 to 255 printable ASCII characters."""
    if not 0 < len(value) <= _LONGEST_KEY or not all(0x20 <= byte <= 0x7E for byte in value):
        raise RequestError("an Idempotency-Key has 1 to 255 printable ASCII characters")
    return value.decode("ascii")
