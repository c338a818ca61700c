"""Metrics for CloudWatch as lines of text: the Embedded Metric Format, which costs no call and no wait.

Decides what a document may hold, so that CloudWatch extracts it, and that a gateway writes one document per set of
dimensions and interval, never one per request. Counts are written as their sum; of a distribution with more than
`VALUES` values, as many evenly spaced order statistics, so that percentiles and means hold and `SampleCount` does not.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from router_core.deployment import METRICS, NAMESPACE
from router_core.errors import ConfigurationError
from router_core.learning.event_figures import NONE, Measured, measure

VALUES: Final = 50
"""Values per metric: the format takes 100; with 50 a document stays one atomic write to a pipe."""
KEPT: Final = 1_024
"""Values remembered per metric and interval; of more, every second, every fourth, and so on."""
MAX_SETS: Final = 200
"""Sets of dimensions per interval: targets are configured, so more would be nonsense from elsewhere."""
INTERVAL_S: Final = 10.0
QUEUED: Final = 65_536
FOLD_S: Final = 1.0
SUMMED: Final = frozenset({
    "Requests", "Errors", "CostUsd", "Tokens", "Fallbacks", "Refusals", "CacheHits", "CacheMisses", "AgentErrors",
    "EventsDropped", "PolicyRefused",
})  # fmt: skip
Dimensions = tuple[tuple[str, str], ...]
Write = Callable[[bytes], None]


class Spread:
    """Values of a distribution in bounded memory, every `_stride`-th of them."""

    __slots__ = ("_seen", "_stride", "_values")

    def __init__(self) -> None:
        self._values: list[float] = []
        self._seen, self._stride = 0, 1

    def add(self, value: float) -> None:
        self._seen += 1
        if self._seen % self._stride:
            return
        self._values.append(value)
        if len(self._values) >= KEPT:
            self._values, self._stride = self._values[1::2], self._stride * 2

    def values(self) -> list[float]:
        """At most `VALUES` that stand for all: the middles of as many equal shares."""
        ordered = sorted(self._values)
        if len(ordered) <= VALUES:
            return ordered
        return [ordered[int((i + 0.5) * len(ordered) / VALUES)] for i in range(VALUES)]


class EmfFigures:
    """Measurements of one interval, by set of dimensions."""

    def __init__(self, env: str) -> None:
        self._env = env
        self._sums: dict[Dimensions, dict[str, float]] = {}
        self._spreads: dict[Dimensions, dict[str, Spread]] = {}

    def add(self, measured: Measured) -> None:
        """Under the environment, its tier and its target, as far as each is known."""
        known: list[Dimensions] = [(("Env", self._env),)]
        if measured.tier != NONE:
            known.append((*known[-1], ("Tier", measured.tier)))
            if measured.target != NONE:
                known.append((*known[-1], ("Target", measured.target)))
        for dimensions in known:
            self._add(dimensions, measured.values)

    def add_agent(self, agent: str, metric: str, value: float) -> None:
        """A figure of one agent or function, and of the environment."""
        for dimensions in ((("Env", self._env),), (("Env", self._env), ("Agent", agent))):
            self._add(dimensions, ((metric, value),))

    def add_own(self, values: Iterable[tuple[str, float]]) -> None:
        """Figures of this process, known by the environment alone."""
        self._add((("Env", self._env),), values)

    def documents(self, time_s: float) -> list[dict[str, Any]]:
        """One document per set of dimensions; zeros of counters are written, so that a rate can be drawn."""
        made = []
        for dimensions in sorted(self._sums.keys() | self._spreads.keys()):
            figures: dict[str, Any] = dict(self._sums.get(dimensions, {}))
            for metric, spread in self._spreads.get(dimensions, {}).items():
                figures[metric] = spread.values()
            made.append(document(dimensions, figures, time_s))
        return made

    def _add(self, dimensions: Dimensions, values: Iterable[tuple[str, float]]) -> None:
        if dimensions not in self._sums and len(self._sums) >= MAX_SETS:
            return
        sums = self._sums.setdefault(dimensions, {})
        for metric, value in values:
            if metric in SUMMED:
                sums[metric] = sums.get(metric, 0.0) + value
            elif metric in METRICS:
                self._spreads.setdefault(dimensions, {}).setdefault(metric, Spread()).add(value)


def document(
    dimensions: Dimensions, figures: Mapping[str, float | Sequence[float]], time_s: float
) -> dict[str, Any]:
    """One EMF document: the figures, their dimensions, and the directive that tells CloudWatch of both."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[name for name, _ in dimensions]],
        "Metrics": [{"Name": metric, "Unit": _unit(metric)} for metric in figures],
    }
    return {
        "_aws": {"Timestamp": int(time_s * 1000), "CloudWatchMetrics": [directive]},
        **dict(dimensions),
        **{metric: _rounded(value) for metric, value in figures.items()},
    }


def to_line(made: Mapping[str, Any]) -> bytes:
    """The document as one line of log."""
    return json.dumps(made, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def write_to(endpoint: str | None) -> Write:
    """Where lines go: standard output, or a CloudWatch agent at `tcp://host:port` or `udp://host:port` (what
    AWS_EMF_AGENT_ENDPOINT holds). Raises `ConfigurationError` for any other address."""
    if not endpoint:
        return _to_stdout
    parts = urlsplit(endpoint)
    if parts.scheme not in ("tcp", "udp") or not parts.hostname or not parts.port:
        raise ConfigurationError("AWS_EMF_AGENT_ENDPOINT must be tcp://host:port or udp://host:port")
    address = (parts.hostname, parts.port)
    return _to_stream(address) if parts.scheme == "tcp" else _to_datagrams(address)


def _to_stdout(line: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _to_stream(address: tuple[str, int]) -> Write:
    def write(line: bytes) -> None:
        with socket.create_connection(address, timeout=2.0) as connection:
            connection.sendall(line)

    return write


def _to_datagrams(address: tuple[str, int]) -> Write:
    def write(line: bytes) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(line, address)

    return write


class EmfEventSink:
    """EventSink that turns records into figures on a thread of its own and writes them every `interval_s`.

    With `records` False it passes records over, because a consumer of the stream counts them, and tells only what
    `watch` is given: figures of the process since the last interval. One per process.
    """

    def __init__(
        self, env: str, write: Write, *, records: bool = True, interval_s: float = INTERVAL_S
    ) -> None:
        self._env, self._write, self._records, self._interval_s = env, write, records, interval_s
        self._queue: deque[Mapping[str, Any]] = deque()
        self._refused = 0
        self._own: Callable[[], Iterable[tuple[str, float]]] = tuple
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tierwise-emf", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Records that no figure holds, and intervals that could not be written. Only grows."""
        return self._refused

    def watch(self, own: Callable[[], Iterable[tuple[str, float]]]) -> None:
        """From now on ask `own` at each interval; it is called on the sink's thread."""
        self._own = own

    def emit(self, record: Mapping[str, Any]) -> None:
        """Queue a record; never waits, never raises."""
        if not self._records:
            return
        if len(self._queue) >= QUEUED or self._stop.is_set():
            self._refused += 1
            return
        self._queue.append(record)

    async def close(self) -> None:
        """Write what the last interval has so far."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 5.0)

    def _run(self) -> None:
        figures, due_s = EmfFigures(self._env), time.monotonic() + self._interval_s
        while True:
            stopped = self._stop.wait(min(FOLD_S, self._interval_s))
            self._fold(figures)
            if stopped or time.monotonic() >= due_s:
                due_s = time.monotonic() + self._interval_s
                self._flush(figures)
                figures = EmfFigures(self._env)
            if stopped:
                return

    def _fold(self, figures: EmfFigures) -> None:
        for _ in range(len(self._queue)):
            try:
                for measured in measure(self._queue.popleft()):
                    figures.add(measured)
            except ValueError:  # a record in which nothing can be measured
                self._refused += 1

    def _flush(self, figures: EmfFigures) -> None:
        try:
            figures.add_own(self._own())
            for made in figures.documents(time.time()):
                self._write(to_line(made))
        except (OSError, ValueError):  # an agent that is away costs an interval's metrics, never more
            self._refused += 1


def _unit(metric: str) -> str:
    if metric.endswith("Ms"):
        return "Milliseconds"
    return "None" if metric in ("CostUsd", "Confidence", "Feedback", "DecisionAccuracy") else "Count"


def _rounded(value: float | Sequence[float]) -> float | list[float]:
    """Six significant digits for a sum, four for each of many values."""
    if isinstance(value, int | float):
        return float(f"{value:.6g}")
    return [float(f"{one:.4g}") for one in value]
