"""When a target that keeps failing is left alone, and how it comes back: closed, open, half-open.

Two ways to open: so many failures in a row (a target that is gone), or too many among the last calls (one that is
ill). After a pause one call at a time is let through; its success closes the breaker, its failure opens it again.
Throttling is no failure: whoever reports results here keeps it out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from router_core.policy.document import Breaker
from router_core.record import dataclass

Phase = Literal["closed", "open", "half_open"]
MAX_SAMPLES: Final = 1024
"""Longest memory of results, whatever `min_samples` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """One target's breaker. `history` holds the last results as bits (1 failed, lowest newest), `samples` how many;
    `opened_s` is when it opened, `probe_s` when the call now on trial began, both None when there is none."""

    in_a_row: int = 0
    history: int = 0
    samples: int = 0
    opened_s: float | None = None
    probe_s: float | None = None


CLOSED: Final = BreakerState()


def phase(state: BreakerState, policy: Breaker, now_s: float) -> Phase:
    """The phase at `now_s` (monotonic seconds); an open breaker turns half-open by time alone."""
    if state.opened_s is None:
        return "closed"
    return "half_open" if now_s - state.opened_s >= policy.open_ms / 1000.0 else "open"


def admit(state: BreakerState, policy: Breaker, now_s: float) -> BreakerState | None:
    """The state once a call is let through, None when it must not be. Half-open lets one call through at a time;
    a trial whose result never came gives up its place after another `open_ms`."""
    now = phase(state, policy, now_s)
    if now == "closed":
        return state
    if now == "open":
        return None
    waiting = state.probe_s is not None and now_s - state.probe_s < policy.open_ms / 1000.0
    return None if waiting else replace(state, probe_s=now_s)


def success(state: BreakerState, policy: Breaker, now_s: float) -> BreakerState:
    """After a call that the target answered. While open it is an older call's and says nothing new."""
    now = phase(state, policy, now_s)
    if now == "half_open":
        return CLOSED
    size = _size(policy)
    if now == "open" or (not state.in_a_row and not state.history and state.samples >= size):
        return state
    return _recorded(state, size, 0)


def failure(state: BreakerState, policy: Breaker, now_s: float) -> BreakerState:
    """After a call that failed by the target's fault."""
    now = phase(state, policy, now_s)
    if now == "half_open":
        return BreakerState(opened_s=now_s)
    if now == "open":
        return state
    size = _size(policy)
    after = _recorded(state, size, 1)
    rate = after.history.bit_count() / after.samples
    if after.in_a_row >= policy.failures or (after.samples >= size and rate >= policy.error_rate):
        return BreakerState(opened_s=now_s)
    return after


def abandoned(state: BreakerState) -> BreakerState:
    """After a call that was cancelled by us: it says nothing, but a trial must give up its place."""
    return state if state.probe_s is None else replace(state, probe_s=None)


def _size(policy: Breaker) -> int:
    return max(1, min(policy.min_samples, MAX_SAMPLES))


def _recorded(state: BreakerState, size: int, failed: int) -> BreakerState:
    return BreakerState(
        in_a_row=(state.in_a_row + 1) * failed,
        history=(state.history << 1 | failed) & ((1 << size) - 1),
        samples=min(size, state.samples + 1),
    )
