"""Several sinks behind one fail alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router_core.adapters.events.fan_out import FanOutEventSink
from tests.fakes import FakeEvents


class Broken(FakeEvents):
    """Keeps no promise of a sink."""

    def emit(self, record: Mapping[str, Any]) -> None:
        raise RuntimeError("no")

    async def close(self) -> None:
        raise RuntimeError("no")


class Counting(FakeEvents):
    closed = 0

    async def close(self) -> None:
        self.closed += 1


async def test_every_sink_gets_every_record_and_is_closed_whatever_another_does() -> None:
    first, last = Counting(dropped=2), Counting(dropped=3)
    fan_out = FanOutEventSink(first, Broken(), last)
    for n in range(4):
        fan_out.emit({"kind": "outcome", "time": float(n)})
    await fan_out.close()
    assert first.records == last.records == [{"kind": "outcome", "time": float(n)} for n in range(4)]
    assert (first.closed, last.closed) == (1, 1)
    assert fan_out.dropped == 2 + 3 + 4


async def test_no_sink_at_all_is_no_error() -> None:
    fan_out = FanOutEventSink()
    fan_out.emit({"kind": "outcome"})
    await fan_out.close()
    assert fan_out.dropped == 0
