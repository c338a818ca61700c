"""The sealed envelope in which a caller's own key waits beside the message of an asynchronous request, for its time only.

Sealed under a key of its own (derived from `jobs.key`), bound to tenant, request and provider, with its end inside: what is
moved elsewhere does not open, and what is too old does not either, whether it has been swept away yet or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import orjson

from router_core.errors import KeyExpiredError, RequestError
from router_core.jobs.records import Claim, Envelope
from router_core.own_key import OwnKey, held, needs_own_key
from router_core.ports import Clock

EXPIRED: Final = "the provider key that came with this request has expired; send the request again"
_LIFETIME_S: Final = 3600.0


class Sealing(Protocol):
    """Seals bytes so that they open only with the same `about`."""

    def seal(self, text: bytes, about: str) -> bytes: ...

    def open(self, sealed: bytes, about: str) -> bytes:
        """Raises `StoreError`."""


class Envelopes:
    """`lifetimes` says for each provider's target how long a key may wait, in seconds."""

    def __init__(self, sealing: Sealing, clock: Clock, lifetimes: Mapping[str, float]) -> None:
        self._sealing, self._clock, self._lifetimes = sealing, clock, lifetimes

    def sealed(self, tenant: str, request_id: str, target: str | None) -> Envelope | None:
        """The key that this request came with, for its message; None where its target needs none. Raises RequestError
        where it needs one and has none."""
        if target is None or not needs_own_key(target):
            return None
        key = held()
        if key is None:
            raise RequestError(MISSING, field="$.preferences.target")
        until_s = self._clock.now_s() + self._lifetimes.get(target, _LIFETIME_S)
        text = orjson.dumps({"key": key, "until_s": until_s})
        return Envelope(sealed=self._sealing.seal(text, _about(tenant, request_id, target)), until_s=until_s)

    def opened(self, claim: Claim, target: str | None) -> OwnKey | None:
        """The key of a claimed message; None where its target needs none. Raises `KeyExpiredError`."""
        if target is None or not needs_own_key(target):
            return None
        if claim.envelope is None:
            raise KeyExpiredError(EXPIRED)
        about = _about(claim.job.tenant, claim.job.request_id, target)
        found = orjson.loads(self._sealing.open(claim.envelope, about))
        if self._clock.now_s() >= float(found["until_s"]):
            raise KeyExpiredError(EXPIRED)
        return OwnKey(str(found["key"]))


MISSING: Final = "this target is asked with your own key: send it in the header x-tierwise-provider-key"


def _about(tenant: str, request_id: str, target: str) -> str:
    return f"own-key/{tenant}/{request_id}/{target}"
