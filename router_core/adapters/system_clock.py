"""Time from the operating system; the one place that reads it for the decisions and stores that take a `Clock`."""

from __future__ import annotations

import time


class SystemClock:
    """Clock of this machine."""

    # The functions themselves: a request reads the clock a dozen times, and a method around each would double that.
    now_s = staticmethod(time.time)
    """Wall seconds since the epoch; may jump when the machine's clock is set."""
    monotonic_s = staticmethod(time.monotonic)
    """Seconds that only go forward; comparable within one machine's uptime."""


class WallClock:
    """Clock of a request that travels between machines: they share no other than the wall's, so both readings are it."""

    now_s = staticmethod(time.time)
    monotonic_s = staticmethod(time.time)
