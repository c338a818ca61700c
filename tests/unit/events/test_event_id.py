"""An event's id: the same for the same event from any host, another for any other event of the request."""

from __future__ import annotations

from typing import Any

from router_core.events import (
    REPORTED,
    Judgement,
    event_id,
    policy_refused_record,
    quality_record,
    report_record,
)
from router_core.execution import Attempt

ATTEMPT = Attempt(target="device/a", outcome="ok", latency_ms=3.0)


def records() -> list[dict[str, Any]]:
    decision = {"kind": "decision", "time": 1.5, "request_id": "r1"}
    outcome = {"kind": "outcome", "time": 1.6, "request_id": "r1", "status": "execute_on_device"}
    return [
        decision,
        outcome,
        report_record(2.0, "acme", "r1", "device", ATTEMPT),
        quality_record(3.0, "acme", "r1", "device/a", Judgement(source="feedback", score=1.0)),
        quality_record(3.0, "acme", "r1", "device/a", Judgement(source="check", score=1.0)),
        quality_record(3.000001, "acme", "r1", "device/a", Judgement(source="feedback", score=0.0)),
        decision | {"request_id": "r2"},
        {"kind": "state", "time": 1.0, "sha256": "aa"},
        {"kind": "policy", "time": 1.0, "sha256": "aa"},
        policy_refused_record(4.0, "file", "default@1"),
        policy_refused_record(5.0, "file", "default@1"),
    ]


def test_no_two_events_share_an_id() -> None:
    ids = [event_id(record) for record in records()]
    assert len(set(ids)) == len(ids)
    assert ids[:3] == ["r1:decision:0", "r1:outcome:0", "r1:outcome:1"]


def test_a_stage_that_ran_twice_gives_the_same_event() -> None:
    for record in records()[:3]:
        assert event_id(record | {"time": 99.0}) == event_id(record)


def test_an_id_is_a_function_of_the_record_alone() -> None:
    assert [event_id(record) for record in records()] == [event_id(record) for record in records()]
    assert event_id({"event_id": "other", **records()[0]}) == "r1:decision:0"


def test_a_device_report_tells_what_its_attempt_took() -> None:
    report = records()[2]
    assert report["status"] == REPORTED
    assert report["attempt_figures"] == [[None, 0, 0, 0.0]]
