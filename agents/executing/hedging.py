"""A second target beside a slow first one: when it is time, how many may have one, and the race between the two.

Patience is learned: how long each target's answers take against what was predicted for the very request. Nothing is noted and
nothing is started while the policy asks for no class.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from agents.attempts import Job, Step
from router_core.learning.percentiles import RecentPercentiles

T = TypeVar("T")
SLOW: Final = 0.95
UNKNOWN: Final = 2.5
"""Times the predicted time that a 95th percentile is taken to be, until `ENOUGH` answers have told."""
ENOUGH: Final = 20
SPAN: Final = 200
WINDOW: Final = 1000
"""Requests over which the share of hedged ones holds."""
CALL_OFF_S: Final = 1.0
"""A call that is called off has so long to end; after that nobody waits for it."""


class Hedger:
    """One per process."""

    def __init__(self) -> None:
        self._ratios: dict[str, RecentPercentiles] = {}
        self._seen = self._late = 0.0

    def patience_s(self, job: Job, step: Step) -> float | None:
        """Seconds after which the decision's target is late; None where nothing is asked beside it."""
        hedge, kind = job.policy.hedge, job.context.request_class
        if not (hedge.classes or hedge.speculative) or not _by_plan(job, step):
            return None
        if kind in hedge.speculative:
            return 0.0
        if kind not in hedge.classes:
            return None
        self._seen += 1.0
        if self._seen > WINDOW:
            self._seen, self._late = self._seen / 2.0, self._late / 2.0
        return job.decision.prediction.latency_ms * self._slow(job.decision.target) / 1000.0

    def may(self, job: Job) -> bool:
        """Whether one more late request may have a second target; counts it."""
        hedge = job.policy.hedge
        if job.context.request_class in hedge.speculative:
            return True
        if self._late + 1.0 > max(1.0, hedge.share * self._seen):
            return False
        self._late += 1.0
        return True

    def took(self, job: Job, step: Step, after_ms: float | None) -> None:
        """A target answered after so long: in full, or when streaming its first part."""
        expected = job.decision.prediction.latency_ms
        if job.policy.hedge.classes and after_ms is not None and expected > 0.0 and _by_plan(job, step):
            ratios = self._ratios.setdefault(job.decision.target, RecentPercentiles(SPAN))
            ratios.add(after_ms / expected)

    def _slow(self, target: str) -> float:
        ratios = self._ratios.get(target)
        slow = ratios.quantile(SLOW) if ratios is not None and ratios.count >= ENOUGH else None
        return UNKNOWN if slow is None else slow


def _by_plan(job: Job, step: Step) -> bool:
    """The decision's own target, with others behind it."""
    return bool(job.decision.fallbacks) and step.spec.name == job.decision.target


async def race(
    first: Coroutine[Any, Any, T],
    second: Callable[[], Coroutine[Any, Any, T] | None],
    good: Callable[[T], bool],
    *,
    patience_s: float,
    left_s: float,
) -> list[T]:
    """The first good result alone; without one, all results. `second` is started after `patience_s`, unless the first is
    done. Whoever is still at work then, or when the time is up, is called off before this returns."""
    loop = asyncio.get_running_loop()
    until, results = loop.time() + left_s, list[T]()
    pending = {asyncio.ensure_future(first)}
    patient = True
    try:
        while pending:
            left = max(0.0, until - loop.time())
            done, pending = await asyncio.wait(
                pending, timeout=min(patience_s, left) if patient else left, return_when="FIRST_COMPLETED"
            )
            results += [task.result() for task in done]
            if winners := [result for result in results if good(result)]:
                return winners[:1]
            if not done and (not patient or left <= patience_s):
                return results
            if not done and (other := second()) is not None:
                pending.add(asyncio.ensure_future(other))
            patient = False
        return results
    finally:
        await _call_off(pending)


async def _call_off(tasks: set[asyncio.Task[T]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CALL_OFF_S)
