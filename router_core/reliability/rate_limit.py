"""A limit per minute that holds in every sliding window of 60 s, not only on average.

The whole limit may be used at once; there is no burst above it. Amounts are counted in slots of one second, and a
slot counts until all of it is older than the window: up to a second longer than it must, never shorter. A token
bucket would need one number instead of up to 61, but lets through twice its limit around a refill.
"""

from __future__ import annotations

from typing import Final

from router_core.record import dataclass

WINDOW_S: Final = 60
GUARD_S: Final = 0.001
"""Added to a wait so that rounding never wakes a caller just before the slot has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was admitted: (second, amount) pairs, oldest first, and their sum."""

    slots: tuple[tuple[int, int], ...] = ()
    total: int = 0


EMPTY: Final = Window()


def current(window: Window, now_s: float) -> Window:
    """Without the slots that no longer count at `now_s` (any clock in seconds that only goes forward)."""
    oldest = int(now_s // 1) - WINDOW_S
    gone = 0
    freed = 0
    for second, amount in window.slots:
        if second >= oldest:
            break
        gone += 1
        freed += amount
    return Window(slots=window.slots[gone:], total=window.total - freed) if gone else window


def charge(window: Window, amount: int, now_s: float) -> Window:
    """With `amount` added at `now_s`. A clock that went back counts as standing still."""
    if amount <= 0:
        return window
    second = int(now_s // 1)
    slots = window.slots
    if slots and slots[-1][0] >= second:
        last, before = slots[-1]
        return Window(slots=(*slots[:-1], (last, before + amount)), total=window.total + amount)
    return Window(slots=(*slots, (second, amount)), total=window.total + amount)


def refund(window: Window, second: int, amount: int) -> Window:
    """With up to `amount` taken back from the slot of `second`; nothing when that slot no longer counts."""
    for i, (slot, held) in enumerate(window.slots):
        if slot == second:
            back = min(held, amount)
            left = ((slot, held - back),) if held > back else ()
            slots = (*window.slots[:i], *left, *window.slots[i + 1 :])
            return Window(slots=slots, total=window.total - back)
    return window


def wait_s(window: Window, limit: int, amount: int, now_s: float) -> float:
    """Seconds until `amount` fits under `limit`, 0.0 when it does now. `window` must be `current`.
    An amount above the limit never fits: the answer is then when the window will be empty."""
    excess = window.total + amount - limit
    if excess <= 0:
        return 0.0
    until = window.slots[-1][0] if window.slots else int(now_s // 1)
    for second, held in window.slots:
        excess -= held
        if excess <= 0:
            until = second
            break
    return max(0.0, until + WINDOW_S + 1 - now_s) + GUARD_S
