"""Where proposals wait: entries and their list in the shared state, so that every replica sees the same.

Also which replica looks, and when: a lock that ends by itself, the time of the last look, and a wish to look now, which
whoever hears of an alert leaves here. All writes are conditional; of two that decide on a proposal one wins.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from agents.proposals.proposal import Proposal, from_value, to_value
from router_core.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    RateLimitedError,
    StaleStateError,
    StoreError,
)
from router_core.ports import Clock, StateStore

MOST_KEPT: Final = 100
MOST_WAITING: Final = 20
KEPT_S: Final = 90 * 86_400.0
LOCK_S: Final = 900.0
TRIES: Final = 8
_LIST: Final = "proposals"
_LOCK: Final = "proposals-lock"
_LAST: Final = "proposals-last"
WANTED: Final = "proposals-wanted"
"""A look is wanted, and why. Written by whoever hears of an alert."""
WANTED_S: Final = 6 * 3600.0


class ProposalBook:
    """Everything raises `StoreError` while the store is away."""

    def __init__(self, store: StateStore, clock: Clock, who: str) -> None:
        self._store, self._clock, self._who = store, clock, who.encode()

    # ---- proposals -----------------------------------------------------------------------------------------------------

    async def add(self, proposal: Proposal) -> None:
        """Keep a new one. Raises `ConflictError` where the same change waits already, `RateLimitedError` where too much does."""
        waiting = [one for one in await self.all() if one.state == "waiting"]
        same = (proposal.base_sha256, proposal.moved)
        if any((one.base_sha256, one.moved) == same for one in waiting):
            raise ConflictError("the same change is proposed already")
        if len(waiting) >= MOST_WAITING:
            raise RateLimitedError(
                f"{MOST_WAITING} proposals wait already; decide on some first", retry_after_s=3600.0
            )
        await self._store.put(_entry(proposal.id), to_value(proposal), expected=0, ttl_s=KEPT_S)
        await self._listed(lambda ids: [proposal.id, *ids][:MOST_KEPT])

    async def all(self) -> tuple[Proposal, ...]:
        """The newest first; one that cannot be read is passed over."""
        found: list[Proposal] = []
        for name in await self._ids():
            with suppress(NotFoundError, ConfigurationError):
                found.append(await self.get(name))
        return tuple(found)

    async def get(self, name: str) -> Proposal:
        """Raises `NotFoundError`."""
        return (await self._read(name))[0]

    async def change(self, name: str, act: Callable[[Proposal], Proposal]) -> Proposal:
        """Store what `act` makes of it, unless somebody else was faster: then `ConflictError`. Raises what `act` raises."""
        before, version = await self._read(name)
        after = act(before)
        try:
            await self._store.put(_entry(name), to_value(after), expected=version, ttl_s=KEPT_S)
        except StaleStateError:
            raise ConflictError("somebody else decided on this proposal at the same moment") from None
        return after

    async def _read(self, name: str) -> tuple[Proposal, int]:
        stored = await self._store.get(_entry(name))
        if stored is None:
            raise NotFoundError("no proposal has this id, or it is no longer kept")
        return from_value(stored.value), stored.version

    async def _ids(self) -> list[str]:
        stored = await self._store.get(_LIST)
        return [] if stored is None else _names(stored.value)

    async def _listed(self, act: Callable[[list[str]], list[str]]) -> None:
        for _ in range(TRIES):
            stored = await self._store.get(_LIST)
            ids, version = ([], 0) if stored is None else (_names(stored.value), stored.version)
            with suppress(StaleStateError):
                await self._store.put(_LIST, json.dumps(act(ids)).encode(), expected=version)
                return
        raise StoreError("other writers of the list of proposals were faster each time")

    # ---- who looks, and when -------------------------------------------------------------------------------------------

    async def lead(self) -> bool:
        """Whether this replica looks now; the right ends by itself."""
        try:
            await self._store.put(_LOCK, self._who, expected=0, ttl_s=LOCK_S)
        except StaleStateError:
            return False
        return True

    async def done(self) -> None:
        """Give the right back, if it is still ours."""
        stored = await self._store.get(_LOCK)
        if stored is not None and stored.value == self._who:
            await self._store.delete(_LOCK)

    async def due(self, every_s: float) -> str | None:
        """Why to look now: an alert, or the schedule. None when there is no reason. The schedule begins with the first call."""
        wish = await self._store.get(WANTED)
        if wish is not None:
            return _words(wish.value)
        last = await self._store.get(_LAST)
        if last is None:
            await self.looked()
            return None
        return "schedule" if self._clock.now_s() - _number(last.value) >= every_s else None

    async def looked(self) -> None:
        """A look was taken: the schedule begins anew and the wish is fulfilled."""
        await self._store.put(_LAST, repr(self._clock.now_s()).encode())
        await self._store.delete(WANTED)

    async def want(self, why: str) -> None:
        """Have somebody look soon."""
        await self._store.put(WANTED, why[:200].encode(), ttl_s=WANTED_S)


def _entry(name: str) -> str:
    return f"proposal#{name[:64]}"


def _names(value: bytes) -> list[str]:
    try:
        found: Any = json.loads(value)
    except (ValueError, RecursionError):
        return []
    return [name for name in found if isinstance(name, str)][:MOST_KEPT] if isinstance(found, list) else []


def _words(value: bytes) -> str:
    return value.decode(errors="replace")[:200]


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0
