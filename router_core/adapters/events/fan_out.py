"""Several event sinks behind one: the local log, the stream, a table, metrics.

Decides that they fail alone: one that raises or hangs on closing takes nothing from the others, and `dropped` is the
sum, because a record that is missing anywhere is missing for somebody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from router_core.ports import EventSink

_log: Final = logging.getLogger("tierwise.events")


class FanOutEventSink:
    """EventSink that hands every record to each of `sinks`, in their order."""

    def __init__(self, *sinks: EventSink) -> None:
        self._sinks = sinks
        self._failed = 0

    @property
    def dropped(self) -> int:
        """What the sinks dropped together. Only grows."""
        return self._failed + sum(getattr(sink, "dropped", 0) for sink in self._sinks)

    def emit(self, record: Mapping[str, Any]) -> None:
        """Hand the record on; never waits, never raises."""
        for sink in self._sinks:
            try:
                sink.emit(record)
            except Exception:  # a sink promises not to; if one does, the others must still get the record
                self._failed += 1

    async def close(self) -> None:
        """Close all at the same time. Never raises."""
        for result in await asyncio.gather(*(sink.close() for sink in self._sinks), return_exceptions=True):
            if isinstance(result, BaseException):
                _log.warning("an event sink did not close: %s", type(result).__name__)
