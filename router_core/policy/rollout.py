"""Which policy a request gets while two are in force: a stable one for all, and a canary for a share of the sessions.

A pure function of who asks, so that every process of a fleet agrees without talking. A session keeps its policy for as
long as the share holds, and a growing share only adds sessions, because each has one fixed number that the share is
compared with. A request without session and user counts by itself: by its key, a whole application would move at once.

The share stands in a document of its own, beside the policy's. Each of its versions also says who changed what and why,
so that its history is the record of all changes.
"""

from __future__ import annotations

import json
from typing import Any, Final

from router_core.errors import ConfigurationError
from router_core.policy.document import Policy
from router_core.record import dataclass
from router_core.signals.fingerprint import stable_fraction

ACTIONS: Final = ("push", "promote", "rollback")
MAX_WORDS: Final = 500
"""Longest reason or name in a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The policies in force. `share` in [0, 1] is the canary's part of the sessions; without a canary it is 0. `ramp` says
    that the share is to be reached in steps, as far as evidence allows."""

    stable: Policy
    canary: Policy | None = None
    share: float = 0.0
    ramp: bool = False

    def policy_for(self, fraction: float) -> Policy:
        """The policy of a session with this number, see `place`."""
        return self.canary if self.canary is not None and fraction < self.share else self.stable


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who did what, when and why. `before` and `after` name policies with their versions, as a person reads them."""

    action: str
    at: str
    by: str
    why: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What the rollout document holds: the canary's share, the version that was stable before, the last change, and whether
    the share is reached in steps."""

    share: float = 0.0
    previous: int | None = None
    change: Change | None = None
    ramp: bool = False

    def as_text(self) -> str:
        """The document."""
        change = self.change
        told = None if change is None else {name: getattr(change, name) for name in _WORDS}
        ramp = self.ramp or None
        document = {"share": self.share, "previous": self.previous, "change": told, "ramp": ramp}
        return json.dumps(
            {key: value for key, value in document.items() if value is not None}, ensure_ascii=False
        )


_WORDS: Final = ("action", "at", "by", "why", "before", "after")


def rollout(stable: Policy, canary: Policy | None = None, share: float = 0.0, ramp: bool = False) -> Rollout:
    """The same, where a canary that changes nothing or serves nobody is none."""
    if canary is None or share <= 0.0 or canary.sha256 == stable.sha256:
        return Rollout(stable=stable)
    return Rollout(stable=stable, canary=canary, share=min(share, 1.0), ramp=ramp)


def place(tenant: str, session_id: str | None, user: str | None, request_id: str) -> float:
    """The fixed number in [0, 1) of a tenant's session, else of its user, else of this one request. The length keeps
    ("ab", "c") and ("a", "bc") apart, so that no tenant's sessions follow another's."""
    if session_id is not None:
        who = f"session:{session_id}"
    elif user is not None:
        who = f"user:{user}"
    else:
        who = f"request:{request_id}"
    return stable_fraction(f"canary:{len(tenant)}:{tenant}:{who}")


def parse_shift(text: str) -> Shift:
    """Read a rollout document. Raises `ConfigurationError` naming the key."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError("rollout: not valid JSON") from error
    if not isinstance(document, dict) or document.keys() - {"share", "previous", "change", "ramp"}:
        raise ConfigurationError("rollout: must be an object with share, and maybe previous, change and ramp")
    share, previous = document.get("share"), document.get("previous")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ConfigurationError("rollout: share must be a number between 0 and 1")
    if previous is not None and (isinstance(previous, bool) or not isinstance(previous, int)):
        raise ConfigurationError("rollout: previous must be a version")
    ramp = document.get("ramp", False)
    if not isinstance(ramp, bool):
        raise ConfigurationError("rollout: ramp must be true or false")
    change = _change(document.get("change"))
    return Shift(share=float(share), previous=previous, change=change, ramp=ramp)


def _change(told: Any) -> Change | None:
    if told is None:
        return None
    if not isinstance(told, dict) or told.keys() != set(_WORDS):
        raise ConfigurationError(f"rollout: change must have {', '.join(_WORDS)}")
    if not all(isinstance(word, str) and len(word) <= MAX_WORDS for word in told.values()):
        raise ConfigurationError(f"rollout: change must hold texts of at most {MAX_WORDS} characters")
    return Change(**told)
