"""Requests and tokens per minute per key, in this process.

Decides what a token estimate is worth: it is reserved when the request comes and corrected when the answer is counted,
so that many large requests can't all slip in before the first is settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from router_core.ports import Clock
from router_core.record import dataclass
from router_core.reliability.key_limits import UNKNOWN, KeyLimits, Reservations, refused
from router_core.reliability.rate_limit import EMPTY, Window, charge, current, refund, wait_s


@dataclass(slots=True)
class _Usage:
    """What one key used: windows are values and swapped whole."""

    requests: Window = EMPTY
    tokens: Window = EMPTY
    reserved: Reservations = field(default_factory=Reservations)


class MemoryRateLimiter:
    """RateLimiter in memory. A key that `limits` maps to None is free; one that `limits` doesn't hold is refused,
    because a key nobody set limits for is a mistake of the host. A refused request costs nothing."""

    def __init__(self, limits: Mapping[str, KeyLimits | None], clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._used: dict[str, _Usage] = {}

    async def admit(self, key_id: str, tokens: int) -> None:
        """Count one request and reserve `tokens`. Raises `RateLimitedError`: waiting `retry_after_s` admits the same
        request if nothing else of the key was admitted, unless it alone asks for more than a minute's tokens."""
        limits = self._limits.get(key_id, UNKNOWN)
        if limits is None:
            return
        if limits is UNKNOWN:
            raise refused(UNKNOWN, None, 0.0)
        used = self._used.get(key_id)
        if used is None:
            used = self._used[key_id] = _Usage()
        now_s = self._clock.monotonic_s()
        tokens = max(0, tokens)
        used.requests, used.tokens = current(used.requests, now_s), current(used.tokens, now_s)
        _refuse_above(limits, used, tokens, now_s)
        if limits.requests_per_min is not None:
            used.requests = charge(used.requests, 1, now_s)
        if limits.tokens_per_min is not None and tokens:
            _reserve(used, tokens, now_s)

    async def settle(self, key_id: str, estimated: int, used: int) -> None:
        """Replace the reservation of `estimated` by what was `used`. What came back is free at once; what was used
        above the estimate counts from now and may pass the limit, since it is spent already."""
        limits = self._limits.get(key_id)
        usage = self._used.get(key_id)
        if usage is None or limits is None or limits.tokens_per_min is None:
            return
        estimated = max(0, estimated)
        second = usage.reserved.take(estimated)
        now_s = self._clock.monotonic_s()
        if used > estimated:
            usage.tokens = charge(current(usage.tokens, now_s), used - estimated, now_s)
        elif second is not None:
            usage.tokens = refund(usage.tokens, second, estimated - max(0, used))


def _refuse_above(limits: KeyLimits, used: _Usage, tokens: int, now_s: float) -> None:
    """Both limits are asked before either is charged; the longer wait counts."""
    per_min, tokens_per_min = limits.requests_per_min, limits.tokens_per_min
    wait = 0.0 if per_min is None else wait_s(used.requests, per_min, 1, now_s)
    token_wait = 0.0 if tokens_per_min is None else wait_s(used.tokens, tokens_per_min, tokens, now_s)
    if token_wait > wait:
        raise refused(limits, tokens, token_wait)
    if wait:
        raise refused(limits, None, wait)


def _reserve(used: _Usage, tokens: int, now_s: float) -> None:
    used.tokens = charge(used.tokens, tokens, now_s)
    # The slot it went into, which is later than now when the clock went back.
    used.reserved.add(used.tokens.slots[-1][0], tokens)
