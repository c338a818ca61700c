"""Which policy a request gets while two are in force: a stable one for all, and a canary for a share of the sessions.

A pure function of who asks, so that every process of a fleet agrees without talking. A session keeps its policy for as
long as the share holds, and a growing share only adds sessions, because each has one fixed number that the share is
compared with. A request without session and user counts by itself: by its key, a whole application would move at once.
"""

from __future__ import annotations

from router_core.policy.document import Policy
from router_core.record import dataclass
from router_core.signals.fingerprint import stable_fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The policies in force. `share` in [0, 1] is the canary's part of the sessions; without a canary it is 0."""

    stable: Policy
    canary: Policy | None = None
    share: float = 0.0

    def policy_for(self, fraction: float) -> Policy:
        """The policy of a session with this number, see `place`."""
        return self.canary if self.canary is not None and fraction < self.share else self.stable


def rollout(stable: Policy, canary: Policy | None = None, share: float = 0.0) -> Rollout:
    """The same, where a canary that changes nothing or serves nobody is none."""
    if canary is None or share <= 0.0 or canary.sha256 == stable.sha256:
        return Rollout(stable=stable)
    return Rollout(stable=stable, canary=canary, share=min(share, 1.0))


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
