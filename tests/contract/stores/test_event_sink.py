"""What every event sink does: takes records without waiting, in order, and is closed once and for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from router_core.ports import EventSink
from tests.contract.stores.kinds import EVENT_SINKS

Made = tuple[EventSink, Callable[[], list[dict[str, Any]]]]


@pytest.fixture(params=EVENT_SINKS, ids=lambda factory: factory.__name__)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    sink: Made = request.param(tmp_path)
    return sink


async def test_records_arrive_whole_and_in_order(made: Made) -> None:
    sink, written = made
    records = [
        {"kind": "outcome", "time": float(n), "x": [n / 3, None, "ü\n", {"y": True}]} for n in range(300)
    ]
    for record in records:
        sink.emit(record)
    await sink.close()
    assert written() == records


async def test_a_record_that_cannot_be_taken_is_no_error(made: Made) -> None:
    sink, written = made
    sink.emit({"kind": "outcome", "time": 1.0, "x": object()})
    sink.emit({"kind": "outcome", "time": 2.0})
    await sink.close()
    sink.emit({"kind": "outcome", "time": 3.0})
    assert [record["time"] for record in written()] == [2.0]


async def test_closing_twice_is_no_error(made: Made) -> None:
    sink, written = made
    await sink.close()
    await sink.close()
    assert written() == []
