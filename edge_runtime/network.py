"""What the device's network is like, learned from the traffic that there is anyway: no probes, no pings.

Round trips come from small exchanges and from TCP_INFO of open sockets, bandwidth from downloaded bytes, loss from
calls that timed out. After a failure the network counts as away for a growing while, so that an app on a plane does
not wait for a connection with every request.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

from router_core.inference import Network

RATE: Final = 0.2
"""Share of a new observation in the averages."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
SMALL_BYTES: Final = 4_096
LARGE_BYTES: Final = 65_536
"""An exchange below the one tells the round trip, one above the other the bandwidth."""
_TCP_INFO: Final = 11
_RTT_AT: Final = 68
"""Offset of `tcpi_rtt` in Linux' struct tcp_info, then `tcpi_rttvar`: microseconds."""


class NetworkWatch:
    """`type_of` gives the platform's word for the connection (wifi, 5g, offline, ...), None where nobody tells."""

    def __init__(
        self, type_of: Callable[[], str | None] | None = None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._type_of, self._now_s = type_of, now_s
        self._rtt_ms: float | None = None
        self._last_rtt_ms: float | None = None
        self._jitter_ms = 0.0
        self._bandwidth_mbps: float | None = None
        self._loss = 0.0
        self._pause_s = 0.0
        self._away_until = 0.0

    def seen(self) -> Network:
        """The network as of now; "offline" while it is known or believed to be away."""
        kind = self._type_of() if self._type_of is not None else None
        if kind != "offline" and self._now_s() < self._away_until:
            kind = "offline"
        return Network(
            type=kind,
            rtt_ms=None if self._rtt_ms is None else round(self._rtt_ms, 1),
            bandwidth_mbps=None if self._bandwidth_mbps is None else round(self._bandwidth_mbps, 2),
            jitter_ms=round(self._jitter_ms, 1),
            loss=round(self._loss, 3),
        )

    @property
    def retry_in_s(self) -> float:
        """How long the network is believed to be away, still."""
        return max(0.0, self._away_until - self._now_s())

    def exchanged(self, size_bytes: int, seconds: float, rtt_ms: float | None = None) -> None:
        """An exchange that came to its end: the network is there. `rtt_ms`: what the kernel measured on its connection; without
        it a small exchange stands for a round trip."""
        self._pause_s = self._away_until = 0.0
        self._loss += RATE * (0.0 - self._loss)
        if rtt_ms is not None or size_bytes <= SMALL_BYTES:
            self.round_trip(seconds * 1000.0 if rtt_ms is None else rtt_ms)
        if size_bytes >= LARGE_BYTES and seconds > 0:
            mbps = size_bytes * 8 / 1e6 / seconds
            before = self._bandwidth_mbps
            self._bandwidth_mbps = mbps if before is None else before + RATE * (mbps - before)

    def answered(self, rtt_ms: float | None) -> None:
        """A call whose time is not the network's came to its end: the network is there."""
        self._pause_s = self._away_until = 0.0
        self._loss += RATE * (0.0 - self._loss)
        if rtt_ms is not None:
            self.round_trip(rtt_ms)

    def round_trip(self, rtt_ms: float) -> None:
        """One measured round trip; jitter is the mean change from one to the next, as in RFC 3550."""
        before, last = self._rtt_ms, self._last_rtt_ms
        self._last_rtt_ms = rtt_ms
        if before is None or last is None:
            self._rtt_ms = rtt_ms
            return
        self._jitter_ms += RATE * (abs(rtt_ms - last) - self._jitter_ms)
        self._rtt_ms = before + RATE * (rtt_ms - before)

    def failed(self, *, lost: bool) -> None:
        """Nobody was reached; `lost`: no answer came in time. Away for twice as long as the time before."""
        if lost:
            self._loss += RATE * (1.0 - self._loss)
        self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s))
        self._away_until = self._now_s() + self._pause_s

    def back(self) -> None:
        """The platform says that the network is there again: try at once."""
        self._pause_s = self._away_until = 0.0


def tcp_round_trip_ms(connection: socket.socket | None) -> float | None:
    """What the kernel measured on an open connection; None where it does not tell (Linux and Android do)."""
    if connection is None or sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, struct.error, AttributeError):
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 104)
        microseconds: int = struct.unpack_from("I", info, _RTT_AT)[0]
        return microseconds / 1000.0 if microseconds else None
    return None
