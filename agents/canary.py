"""Canary guard: watches what a canary policy does beside the stable one, and takes its sessions away when it does harm.

It stands between the policy's source and the agents, and beside the records on their way out. It counts only while a canary
runs. Sums of all gateways are added up in the shared state; each gateway acts on the whole, at once and for itself, by
giving the canary no sessions any more. One of them, whoever gets the lock, also has the change recorded.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from router_core.errors import StaleStateError, StoreError, TierwiseError
from router_core.learning.canary_test import Arm, Harm, Trial, allowed_share, from_value, harm, to_value
from router_core.policy.rollout import Rollout, rollout
from router_core.ports import EventSink, PolicySource, StateStore

EVERY_S: Final = 5.0
REMEMBERED: Final = 20_000
"""Requests whose arm is known until their outcome and judgements come."""
KEPT_S: Final = 30 * 86_400.0
LOCK_S: Final = 60.0
TRIES: Final = 8
SEEN: Final = "canary"
"""The sums that gateways add theirs to."""
STREAMED: Final = "canary-stream"
"""Those of the stream's consumer, which sees what gateways sent there, too: nothing is added from one to the other."""
LOCK: Final = "canary-end"
"""Held by whoever of all ends the canary."""
End = Callable[[Rollout, Harm], Awaitable[None]]
"""Records that a canary was ended, and why. Raises `TierwiseError`."""
_log: Final = logging.getLogger("tierwise.canary")


class CanaryGuard:
    """`PolicySource` and `EventSink` in front of those given. `shared` None: this gateway judges by what it saw itself."""

    def __init__(
        self, policy: PolicySource, events: EventSink, shared: StateStore | None, end: End | None = None
    ) -> None:
        self._policy, self._events, self._shared, self._end = policy, events, shared, end
        self._pair = ("", "")
        self._arms: OrderedDict[str, Arm] = OrderedDict()
        self._fresh = Trial()
        self.trial = Trial()
        self.harm: Harm | None = None

    @property
    def refused(self) -> int:
        """Of the source behind."""
        return self._policy.refused

    @property
    def dropped(self) -> int:
        """Of the sink behind."""
        return getattr(self._events, "dropped", 0)

    def rollout(self) -> Rollout:
        """The policies in force: a canary that does harm has no sessions, one that climbs no more than it earned."""
        now = self._policy.rollout()
        self._follow(now)
        if now.canary is None:
            return now
        if self.harm is not None:
            return rollout(now.stable)
        if not now.ramp:
            return now
        return replace(now, share=min(now.share, allowed_share(self.trial + self._fresh)))

    def emit(self, record: Mapping[str, Any]) -> None:
        """Pass a record on, and count it while a canary runs."""
        self._events.emit(record)
        if self._pair[1] and self.harm is None:
            self._count(record)

    async def close(self) -> None:
        """The sink behind."""
        await self._events.close()

    async def watch(self) -> None:
        """Exchange and judge again and again, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Add what was seen here to what all saw, and judge it. A store that is away leaves this gateway's own view."""
        now = self._policy.rollout()
        self._follow(now)
        if now.canary is None or self.harm is not None:
            return
        try:
            await self._exchange()
        except StoreError as error:
            _log.warning("a canary is judged by this gateway alone: %s", error)
        found = harm(self.trial + self._fresh)
        if found is not None and self._pair == _pair(now):
            self.harm = found
            _log.error("canary %s is ended: %s", now.canary.label, found.why)
            await self._tell(now, found)

    def _follow(self, now: Rollout) -> None:
        """Begin anew when other policies meet."""
        pair = _pair(now)
        if pair != self._pair:
            self._pair, self.harm = pair, None
            self._arms.clear()
            self._fresh = self.trial = Trial()

    def _count(self, record: Mapping[str, Any]) -> None:
        kind, request_id = record.get("kind"), record.get("request_id")
        if not isinstance(request_id, str):
            return
        if kind == "decision":
            decided_by = record.get("policy_sha256")
            if decided_by in self._pair:
                self._arms[request_id] = "canary" if decided_by == self._pair[1] else "stable"
                if len(self._arms) > REMEMBERED:
                    self._arms.popitem(last=False)
        elif (arm := self._arms.get(request_id)) is not None:
            self._fresh = self._fresh.fold(arm, record)

    async def _exchange(self) -> None:
        """Move what is fresh into the shared sums. Raises `StoreError`."""
        if self._shared is None:
            self.trial, self._fresh = self.trial + self._fresh, Trial()
            return
        mine, self._fresh, pair = self._fresh, Trial(), self._pair
        try:
            whole = await self._added(self._shared, mine)
        except StoreError:
            if pair == self._pair:
                self._fresh = mine + self._fresh
            raise
        if pair == self._pair:
            self.trial = whole

    async def _added(self, shared: StateStore, mine: Trial) -> Trial:
        """All gateways' sums with `mine`. Raises `StoreError`."""
        key = self._key(SEEN)
        for _ in range(TRIES):
            stored = await shared.get(key)
            whole = mine if stored is None else trial_of(stored.value) + mine
            version = 0 if stored is None else stored.version
            with suppress(StaleStateError):
                await shared.put(key, to_value(whole), expected=version, ttl_s=KEPT_S)
                return whole
        raise StoreError("other gateways were faster each time")

    async def _tell(self, now: Rollout, found: Harm) -> None:
        """Have it recorded, by one gateway of all; trouble is logged, because the canary has no sessions here anyway."""
        if self._end is None:
            return
        try:
            if self._shared is not None:
                await self._shared.put(self._key(LOCK), b"1", expected=0, ttl_s=LOCK_S)
            await self._end(now, found)
            if self._shared is not None:
                # Whoever pushes it again has changed something else, and gets a fresh trial.
                for sums in (SEEN, STREAMED):
                    await self._shared.delete(self._key(sums))
        except StaleStateError:
            return
        except TierwiseError as error:
            _log.error("the end of the canary is not recorded: %s", error)

    def _key(self, what: str) -> str:
        return _named(what, self._pair)


def trial_key(what: str, now: Rollout) -> str:
    """Where the shared state keeps `SEEN`, `STREAMED` or `LOCK` of these two policies' trial."""
    return _named(what, _pair(now))


def trial_of(value: bytes) -> Trial:
    """The sums that were kept; none where another release wrote them."""
    try:
        return from_value(value)
    except ValueError:
        return Trial()


def _named(what: str, pair: tuple[str, str]) -> str:
    return f"{what}#{hashlib.sha256('/'.join(pair).encode()).hexdigest()[:32]}"


def _pair(now: Rollout) -> tuple[str, str]:
    return now.stable.sha256, "" if now.canary is None else now.canary.sha256
