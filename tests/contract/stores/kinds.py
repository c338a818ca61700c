"""Every implementation of each store port, as a factory. A new adapter joins the contract by one line here.

Time is part of the contract: each factory comes with a way to let time pass, which is a set clock in memory and may
be a real wait for a server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from router_core.adapters.event_log import EventLog
from router_core.adapters.event_reader import read
from router_core.adapters.memory import MemoryResponseStore
from router_core.adapters.memory_rate_limit import KeyLimits, MemoryRateLimiter
from router_core.ports import EventSink, RateLimiter, ResponseStore

Pass = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class SetClock:
    """Clock whose time is what the test says; starts at an odd fraction, as real clocks do."""

    time_s: float = 86_413.377

    def now_s(self) -> float:
        return 1.8e9 + self.time_s

    def monotonic_s(self) -> float:
        return self.time_s

    async def advance(self, seconds: float) -> None:
        self.time_s += seconds


def memory_store() -> tuple[ResponseStore, Pass]:
    clock = SetClock()
    return MemoryResponseStore(max_bytes=1_000_000, max_entries=100, clock=clock), clock.advance


def memory_limiter(limits: Mapping[str, KeyLimits | None]) -> tuple[RateLimiter, Pass]:
    clock = SetClock()
    return MemoryRateLimiter(limits, clock), clock.advance


def file_sink(directory: Path) -> tuple[EventSink, Callable[[], list[dict[str, Any]]]]:
    return EventLog(directory, worker="w0"), lambda: list(read(directory))


RESPONSE_STORES: list[Callable[[], tuple[ResponseStore, Pass]]] = [memory_store]
RATE_LIMITERS: list[Callable[[Mapping[str, KeyLimits | None]], tuple[RateLimiter, Pass]]] = [memory_limiter]
EVENT_SINKS: list[Callable[[Path], tuple[EventSink, Callable[[], list[dict[str, Any]]]]]] = [file_sink]
