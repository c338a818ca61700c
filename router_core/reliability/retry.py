"""How long to wait before the same target is tried again: full jitter, and what the target itself asked for.

Full jitter because clients that failed together would otherwise come back together. Chance comes in as a draw, so
that this stays a function.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from router_core.policy.document import Retry

_LARGEST_EXPONENT = 60


def delay_ms(retry: Retry, failures: int, draw: float, retry_after_s: float | None = None) -> float | None:
    """Milliseconds to wait after the `failures`-th failed attempt (1 is the first), or None: don't try it again.

    uniform(0, min(cap, base * 2^(failures - 1))) with `draw` in [0, 1) as its chance. A target that named
    `retry_after_s` is not asked earlier; the jitter comes on top, up to `max_retry_after_ms`. If it asked for longer
    than that, another target is the better answer: None. What isn't a number of seconds above 0 was not asked.
    """
    if failures < 1 or failures >= retry.attempts_per_target:
        return None
    jitter = draw * min(retry.cap_ms, retry.base_ms * 2.0 ** min(failures - 1, _LARGEST_EXPONENT))
    if retry_after_s is None or math.isnan(retry_after_s) or retry_after_s <= 0.0:
        return jitter
    asked = retry_after_s * 1000.0
    return None if asked > retry.max_retry_after_ms else min(asked + jitter, retry.max_retry_after_ms)


def schedule(retry: Retry, draws: Iterable[float]) -> tuple[float, ...]:
    """All waits of one target, if no attempt says `retry_after`: one per draw, `attempts_per_target` - 1 at most."""
    waits = (delay_ms(retry, n, draw) for n, draw in enumerate(draws, start=1))
    return tuple(wait for wait in waits if wait is not None)
