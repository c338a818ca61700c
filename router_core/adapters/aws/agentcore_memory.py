"""Small shared state in the short-term memory of Bedrock AgentCore, for agents that have no other store.

The memory knows events, not values: they are only added, listed and deleted. Each write is an event that names its place in
its key's chain, and the newest place is the value. Of several writers at one place one wins, because all of them send the same
`clientToken`, made of the key and the event before: the service stores the first such event and ignores the others, whose
writers then read that the event there is not theirs. Should two stand at one place, the first by name counts for everybody.

What that rests on, and what it is not: AWS says that a token is used once, not for how long it remembers, and does not say that
a list shows an event as soon as it is written. A write is therefore as exact as the service's memory of tokens; a read may be
behind. A deleted key leaves a small event as a mark, else a key that begins again would use the first token again. The memory's own
expiry (`eventExpiryDuration`, from three days on) ends everything that was not written since. A call takes tens of
milliseconds: not for the path of a request.
"""

from __future__ import annotations

import base64
import math
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import COMMON_FAULTS, AwsThreads, Faults, store_errors
from router_core.adapters.system_clock import SystemClock
from router_core.errors import StaleStateError, StoreError
from router_core.ports import Clock, Versioned
from router_core.record import dataclass

if TYPE_CHECKING:
    from types_boto3_bedrock_agentcore import BedrockAgentCoreClient

OPERATIONS: Final = ("CreateEvent", "DeleteEvent", "ListEvents")
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "InvalidInputException": (StoreError, "does not accept such a request"),
    "ResourceNotFoundException": (StoreError, "does not exist"),
    "RetryableConflictException": (StoreError, "is being written"),
    "ServiceException": (StoreError, "failed by itself"),
    "ServiceQuotaExceededException": (StoreError, "is full"),
    "ThrottledException": (StoreError, "is throttled"),
}
ACTOR: Final = "tierwise"
MAX_VALUE_BYTES: Final = 70_000
"""An event's JSON may have 100 kB; bytes grow by a third on their way into it."""
_PAGE: Final = 100
_MOST_PAGES: Final = 50
_TRIES: Final = 16
_TIDIED: Final = 10
"""Events that one write deletes at most."""
_WHAT: Final = "the AgentCore memory"
_CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """One event of a key's chain. `version` 0: the key was deleted here."""

    id: str
    place: int
    version: int
    value: bytes
    until_s: float
    nonce: str

    def gone(self, now_s: float) -> bool:
        return self.version == 0 or now_s >= self.until_s


class AgentCoreStateStore:
    """StateStore on one memory. Each key is a session of the actor `tierwise`, named by the key's hash."""

    def __init__(
        self,
        client: BedrockAgentCoreClient,
        memory: str,
        *,
        clock: Clock = _CLOCK,
        threads: AwsThreads | None = None,
    ) -> None:
        self._client, self._memory, self._clock = client, memory, clock
        self._threads = threads or AwsThreads()

    async def get(self, key: str) -> Versioned | None:
        """What the newest event says that the list shows."""
        return await self._threads.run(self._get, key)

    async def put(
        self, key: str, value: bytes, *, expected: int | None = None, ttl_s: float | None = None
    ) -> int:
        """The new version. See `StateStore`."""
        return await self._threads.run(self._put, key, value, expected, ttl_s)

    async def delete(self, key: str) -> None:
        """Mark the key as deleted, if it is there."""
        await self._threads.run(self._delete, key)

    async def close(self) -> None:
        """Wait for the calls that run."""
        await self._threads.close()

    def _get(self, key: str) -> Versioned | None:
        newest = _newest(self._chain(key))
        if newest is None or newest.gone(self._clock.now_s()):
            return None
        return Versioned(value=newest.value, version=newest.version)

    def _put(self, key: str, value: bytes, expected: int | None, ttl_s: float | None) -> int:
        if len(value) > MAX_VALUE_BYTES:
            raise StoreError(f"a state value may have {MAX_VALUE_BYTES} bytes at most")
        until_s = math.inf if ttl_s is None else self._clock.now_s() + ttl_s
        return self._written(key, expected, lambda version: (version + 1, value, until_s))

    def _delete(self, key: str) -> None:
        newest = _newest(self._chain(key))
        if newest is not None and newest.version > 0:
            self._written(key, None, lambda _: (0, b"", math.inf))

    def _written(
        self, key: str, expected: int | None, make: Callable[[int], tuple[int, bytes, float]]
    ) -> int:
        """The version of the event that follows the newest. Raises `StaleStateError` where `expected` is not there any more."""
        for _ in range(_TRIES):
            chain = self._chain(key)
            newest = _newest(chain)
            there = 0 if newest is None or newest.gone(self._clock.now_s()) else newest.version
            if expected is not None and expected != there:
                raise StaleStateError(f"{_WHAT} holds another version than expected")
            version, value, until_s = make(there)
            if self._added(key, newest, (version, value, until_s)):
                self._tidied(key, chain)
                return version
            if expected is not None:
                raise StaleStateError(f"{_WHAT} holds another version than expected")
        raise StoreError(f"{_WHAT}: the entry changes too fast to be written")

    def _added(self, key: str, newest: _Link | None, told: tuple[int, bytes, float]) -> bool:
        """Whether the event at the next place is ours."""
        version, value, until_s = told
        place, before = (1, "") if newest is None else (newest.place + 1, newest.id)
        nonce = secrets.token_hex(8)
        content = {
            "place": place,
            "version": version,
            "value": base64.b64encode(value).decode(),
            "until": None if math.isinf(until_s) else until_s,
            "nonce": nonce,
        }
        with store_errors(_WHAT, FAULTS):
            made = self._client.create_event(
                memoryId=self._memory,
                actorId=ACTOR,
                sessionId=_session(key),
                eventTimestamp=datetime.fromtimestamp(self._clock.now_s(), UTC),
                payload=[{"json": {"content": content}}],
                clientToken=sha256(f"{self._memory}|{key}|{before}|{place}".encode()).hexdigest(),
                # Nothing here is a conversation from which anything should be learned.
                extractionMode="SKIP",
            )
        return self._won(key, place, nonce, _link(made["event"]))

    def _won(self, key: str, place: int, nonce: str, told: _Link | None) -> bool:
        """Whether the list shows our event at its place; where it shows none there (yet, or any more), what the answer said."""
        there = sorted((link for link in self._chain(key) if link.place == place), key=lambda link: link.id)
        winner = there[0] if there else told
        return winner is not None and winner.nonce == nonce

    def _tidied(self, key: str, chain: tuple[_Link, ...]) -> None:
        """Delete what was replaced; what stays is passed over by its place."""
        for link in chain[:_TIDIED]:
            try:
                with store_errors(_WHAT, FAULTS):
                    self._client.delete_event(
                        memoryId=self._memory, actorId=ACTOR, sessionId=_session(key), eventId=link.id
                    )
            except StoreError:
                return

    def _chain(self, key: str) -> tuple[_Link, ...]:
        found = (_link(event) for event in self._events(key))
        return tuple(link for link in found if link is not None)

    def _events(self, key: str) -> Iterator[Any]:
        more: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            with store_errors(_WHAT, FAULTS):
                page = self._client.list_events(
                    memoryId=self._memory,
                    actorId=ACTOR,
                    sessionId=_session(key),
                    includePayloads=True,
                    maxResults=_PAGE,
                    **more,
                )
            yield from page["events"]
            if not page.get("nextToken"):
                return
            more = {"nextToken": page["nextToken"]}
        raise StoreError(f"{_WHAT} lists more events of one key than there can be")


def _session(key: str) -> str:
    """A session's name holds letters and digits alone."""
    return f"s{sha256(key.encode()).hexdigest()}"


def _newest(chain: tuple[_Link, ...]) -> _Link | None:
    return min(chain, key=lambda link: (-link.place, link.id), default=None)


def _link(event: Any) -> _Link | None:
    """The event as we wrote it; None for one that somebody else did."""
    try:
        told = event["payload"][0]["json"]["content"]
        until = told["until"]
        return _Link(
            id=event["eventId"],
            place=int(told["place"]),
            version=int(told["version"]),
            value=base64.b64decode(told["value"], validate=True),
            until_s=math.inf if until is None else float(until),
            nonce=str(told["nonce"]),
        )
    except (KeyError, IndexError, TypeError, ValueError):
        return None
