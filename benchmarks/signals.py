"""What reading a request's text costs: p50 and p99 in microseconds per signal, and `analyse` by length.

The hot path has 0.06 ms for signals and decision together; the scan for personal data and injection reads all
of a text and must stay linear, below 0.1 ms per extra 1,000 characters. Run: `python -m benchmarks.signals`.
The last table feeds texts built to make patterns retry: doubling the text must not more than about double the
time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from router_core.signals import analyse
from router_core.signals.complexity import complexity_in
from router_core.signals.guard import guard_in
from router_core.signals.health import health_in
from router_core.signals.language import language_in
from router_core.signals.reading import read
from router_core.signals.safety import safety_in
from router_core.signals.sensitivity import pii_in
from router_core.signals.task import task_in
from router_core.signals.tokens import tokens_in

PROSE = (
    "The committee met on Tuesday to discuss the proposal for a new library. Members raised several concerns about "
    "parking and noise during construction. After a long debate they agreed to ask the architect for a revised plan "
    "that keeps the old trees and moves the entrance to the quieter street. "
)
NUMBERS = "On 2024-03-12 they counted 1,250 visitors in 14 rooms (up 3.5 %) and 18 of 25 members agreed. "
PERSONAL = (
    "Write to bob.miller@example.com or call +1 415 555 0132; card 4111 1111 1111 1111, host 10.1.2.33. "
)
GERMAN = (
    "Die Mitglieder äußerten Bedenken über Lärm während der Bauzeit und möchten die alten Bäume behalten. "
)
LENGTHS = (440, 1_000, 10_000, 100_000)
ADVERSARIAL = (
    "a",
    "1 ",
    "@",
    "a@b.co ",
    "DE00 ",
    "4111-",
    "0.000,",
    "eyJaaaaaaaaa ",
    "ignore ",
    "::",
    "12-",
    "password: a1 ",
)


def texts() -> dict[str, str]:
    """One endless sample per kind of content; personal data about once in 600 characters."""
    return {
        "prose": PROSE * 400,
        "prose with numbers": (PROSE + NUMBERS) * 400,
        "with personal data": (NUMBERS + PERSONAL + PROSE + PROSE[:200]) * 400,
        "german": GERMAN * 1100,
    }


def measure(call: Callable[[], object], *, seconds: float = 0.4) -> tuple[float, float]:
    """p50 and p99 of one call, in microseconds."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while (start := time.perf_counter()) < until or len(taken) < 20:
        call()
        taken.append(time.perf_counter() - start)
    taken.sort()
    return taken[len(taken) // 2] * 1e6, taken[int(len(taken) * 0.99)] * 1e6


def per_signal() -> list[dict[str, object]]:
    """Each signal alone at 440 characters, on a text that is already prepared."""
    rows: list[dict[str, object]] = []
    for name, sample in texts().items():
        text = sample[:440]
        reading = read(text)
        calls: dict[str, Callable[[], object]] = {
            "read": lambda text=text: read(text),  # type: ignore[misc]  # bound per loop turn
            "tokens": lambda reading=reading: tokens_in(reading),  # type: ignore[misc]  # as above
            "complexity": lambda reading=reading: complexity_in(
                reading, turns=1, has_tools=False, max_tokens=None
            ),  # type: ignore[misc]  # as above
            "task": lambda reading=reading: task_in(reading, plain=True, turns=1),  # type: ignore[misc]  # as above
            "language": lambda reading=reading: language_in(reading),  # type: ignore[misc]  # as above
            "pii": lambda reading=reading: pii_in(reading),  # type: ignore[misc]  # as above
            "guard": lambda reading=reading: guard_in(reading),  # type: ignore[misc]  # as above
            "health": lambda reading=reading: health_in(reading),  # type: ignore[misc]  # as above
            "safety": lambda reading=reading: safety_in(reading),  # type: ignore[misc]  # as above
        }
        for signal, call in calls.items():
            p50, p99 = measure(call, seconds=0.1)
            rows.append({"what": f"{signal}, 440, {name}", "p50_us": round(p50, 1), "p99_us": round(p99, 1)})
    return rows


def by_length() -> list[dict[str, object]]:
    """`analyse` from 440 to 100,000 characters, and its slope."""
    rows: list[dict[str, object]] = []
    for name, sample in texts().items():
        first = 0.0
        for length in LENGTHS:
            text = sample[:length]
            assert len(text) == length
            p50, p99 = measure(lambda text=text: analyse(text))  # type: ignore[misc]  # bound per loop turn
            first = first or p50
            slope = (p50 - first) / max(1, length - LENGTHS[0]) * 1000
            rows.append(
                {
                    "what": f"analyse, {length}, {name}",
                    "p50_us": round(p50, 1),
                    "p99_us": round(p99, 1),
                    "us_per_1k": round(slope, 1),
                }
            )
    return rows


def adversarial() -> list[dict[str, object]]:
    """Best CPU time of three at 20,000 and 40,000 characters of one hostile piece."""
    rows: list[dict[str, object]] = []
    for piece in ADVERSARIAL:
        half, whole = (
            min(_cpu_seconds((piece * length)[:length]) for _ in range(3)) for length in (20_000, 40_000)
        )
        rows.append(
            {
                "what": f"hostile {piece!r}",
                "us_per_1k": round(whole * 1e6 / 40, 1),
                "times_for_double": round(whole / half, 2),
            }
        )
    return rows


def _cpu_seconds(text: str) -> float:
    start = time.process_time()
    analyse(text)
    return time.process_time() - start


def main(argv: list[str]) -> int:
    """Print the three tables, as JSON with `--json`."""
    rows = [*by_length(), *per_signal(), *adversarial()]
    if "--json" in argv:
        print(json.dumps(rows))
        return 0
    for row in rows:
        figures = "  ".join(f"{name} {value}" for name, value in row.items() if name != "what")
        print(f"{row['what']:<44} {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
