"""What a key may ask per minute, what it has been promised, and how a refusal is worded: the same in every limiter."""

from __future__ import annotations

from collections import deque
from typing import Final

from router_core.errors import RateLimitedError
from router_core.record import dataclass
from router_core.reliability.rate_limit import WINDOW_S

LONGEST_REQUEST_S: Final = 660
"""A reservation older than the longest deadline allowed was left behind and is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """Limits of one key; None is no limit."""

    requests_per_min: int | None = None
    tokens_per_min: int | None = None


UNKNOWN: Final = KeyLimits(requests_per_min=0)
"""Of a key that nobody set limits for, which is a mistake of the host: it is refused."""


class Reservations:
    """Token estimates of one key that are not settled yet, oldest first, each with the second it was charged to."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: deque[tuple[int, int]] = deque()

    def add(self, second: int, tokens: int) -> None:
        """Note an estimate, and forget those that nobody can settle any more."""
        self._open.append((second, tokens))
        while self._open[0][0] < second - LONGEST_REQUEST_S:
            self._open.popleft()

    def take(self, tokens: int) -> int | None:
        """Remove the oldest estimate of this size and give its second; None when there is none."""
        for i, (second, amount) in enumerate(self._open):
            if amount == tokens:
                del self._open[i]
                return second
        return None


def refused(limits: KeyLimits, tokens: int | None, wait_s: float) -> RateLimitedError:
    """The refusal of a request that needs `tokens`, or None when the number of requests is what is reached."""
    if limits is UNKNOWN:
        return RateLimitedError("this key has no limits set", retry_after_s=float(WINDOW_S))
    if tokens is None:
        detail = f"the key's limit of {limits.requests_per_min} requests per minute is reached"
    else:
        limit = limits.tokens_per_min
        detail = f"the key's limit of {limit} tokens per minute is reached, the request needs about {tokens}"
    return RateLimitedError(detail, retry_after_s=wait_s)
