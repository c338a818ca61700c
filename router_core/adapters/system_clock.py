"""Time from the operating system; the one place that reads it for the decisions and stores that take a `Clock`."""

from __future__ import annotations

import time


class SystemClock:
    """Clock of this machine."""

    def now_s(self) -> float:
        """Wall seconds since the epoch; may jump when the machine's clock is set."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds that only go forward; comparable within one machine's uptime."""
        return time.monotonic()
