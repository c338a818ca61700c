"""Where one request's time went, for whoever collects traces: the seam that the layers share.

A host that traces puts the request's span into `CURRENT`; whoever calls a tier sends `headers` along, so that one
trace goes from the client through us to the tier. Nothing here knows a tracing library, and without a span in
`CURRENT` tracing costs one look at a variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final, Literal, Protocol

Attribute = str | int | float | bool
Kind = Literal["internal", "client"]


class Span(Protocol):
    """One timed part of a trace. Times are seconds since the epoch."""

    @property
    def headers(self) -> bytes:
        """Encoded header lines that make the receiver's spans children of this one."""

    def child(self, name: str, *, kind: Kind = "internal", started_s: float | None = None) -> Span:
        """A part of this part, begun now or at `started_s`."""

    def end(
        self,
        attributes: Mapping[str, Attribute] | None = None,
        *,
        error: str | None = None,
        ended_s: float | None = None,
    ) -> None:
        """Over now, or at `ended_s`. `error` is a kind such as `throttled`, never a message."""


class Tracing(Protocol):
    """Begins traces and sends them off without ever holding up or failing a request."""

    def begin(self, name: str, headers: Mapping[str, str]) -> Span:
        """The span of a request that came with `headers` (names in lower case), joined to its sender's trace."""

    async def close(self) -> None:
        """Send what is still held, within a bound."""


CURRENT: Final[ContextVar[Span | None]] = ContextVar("tierwise_span", default=None)
"""The span that a call made now belongs to."""
