"""Whether a version on trial may stay: it goes when it errs more often, or is slower, than the one that serves.

The rule needs no clock and no chance: so many calls, then a comparison; so that the same calls always end the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Final

CALLS: Final = 20
"""Calls of the candidate before it is judged; errors alone can end it sooner."""
ERRORS: Final = 3
ERROR_MARGIN: Final = 0.05
SLOWER: Final = 1.5
KEPT: Final = 200


@dataclass(slots=True)
class Shown:
    """What one version has shown of itself: how many calls and errors, and the latest latencies in ms."""

    calls: int = 0
    errors: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    def add(self, latency_ms: float, *, failed: bool) -> None:
        """One call."""
        self.calls += 1
        self.errors += failed
        if not failed:
            self.latencies_ms = [*self.latencies_ms[-KEPT:], latency_ms]


def fault(candidate: Shown, active: Shown) -> str | None:
    """Why the candidate must go, or None. Refusing is no error: a model that knows less is judged by its quality."""
    usual = active.errors / active.calls if active.calls else 0.0
    if candidate.errors >= ERRORS and candidate.errors / candidate.calls > usual + ERROR_MARGIN:
        return f"{candidate.errors} of {candidate.calls} calls failed"
    if min(len(candidate.latencies_ms), len(active.latencies_ms)) < CALLS:
        return None
    slow, known = median(candidate.latencies_ms), median(active.latencies_ms)
    if slow > SLOWER * known:
        return f"{slow:.1f} ms at the median, the serving version takes {known:.1f} ms"
    return None
