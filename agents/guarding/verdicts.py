"""What the guard's rules came to, counted by rule, side and verdict; and what happens where nobody could judge."""

from __future__ import annotations

from collections import Counter

from agents.guarding.outside import NOT_PERMITTED
from router_core.errors import GuardBlockedError, GuardUnavailableError

UNJUDGED, UNJUDGED_REFUSED = "unjudged", "unjudged_refused"


class Verdicts:
    """One per process; names and numbers only."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, rule: str, side: str, verdict: str) -> None:
        """`verdict`: reported, masked, forced, blocked, unjudged, unjudged_refused."""
        self._counts[rule, side, verdict] += 1

    def unjudged(self, rule: str, side: str, why: str, *, closed: bool) -> None:
        """No guard answered. Raises where the rule is closed: `GuardUnavailableError`, or `GuardBlockedError` where none may
        be shown the content, because then trying again would not help."""
        self.add(rule, side, UNJUDGED_REFUSED if closed else UNJUDGED)
        if not closed:
            return
        if why == NOT_PERMITTED:
            raise GuardBlockedError(f"no guard of the rule {rule} may be shown this content", rules=(rule,))
        raise GuardUnavailableError(f"the guard of the rule {rule} does not answer", rules=(rule,))

    def numbers(self) -> dict[tuple[str, str, str], int]:
        """All counts so far."""
        return dict(self._counts)
