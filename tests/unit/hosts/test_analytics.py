"""The stream's consumer: each event counts once under redelivery, crashes and disorder; poison stays alone; alerts once."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.hosts.analytics import Analytics
from router_core.errors import StaleStateError, StoreError
from router_core.events import policy_refused_record
from router_core.learning.event_figures import Measured, MinuteFigures, tier_subject
from router_core.learning.shared_estimates import estimates_key, from_value
from tests.fakes import FakeClock
from tests.unit.hosts.stream import (
    NOON,
    MemoryFigures,
    Pager,
    delivered,
    failure,
    failures,
    feedback,
    outcome,
)

EDGE = "mec/edge-a"


class Consumer:
    """One consumer with what it reported and sent."""

    def __init__(self, store: MemoryFigures | None = None, trouble: int = 0) -> None:
        self.store = store or MemoryFigures()
        self.pager = Pager(trouble)
        self.reported: list[Measured] = []
        self.poison = 0
        clock = FakeClock()
        clock.now = NOON - 1_700_000_000.0 + 90.0
        self.analytics = Analytics(self.store, self.store, self.pager, self._report, clock)

    def _report(self, counted: Sequence[Measured], poison: int) -> None:
        self.reported += counted
        self.poison += poison

    def consume(self, rows: Sequence[Any], start: int = 0) -> list[str]:
        return failures(self.analytics.consume(delivered(rows, start)))

    def kinds(self) -> list[str]:
        return [alert.kind for alert in self.pager.sent]


def test_a_batch_is_counted_by_target_and_by_tier_and_minute() -> None:
    consumer = Consumer()
    rows = [outcome(n) for n in range(70)] + [outcome(100, "cloud/nova", time=NOON + 61.0), failure(101)]
    assert consumer.consume(rows) == []
    figures = consumer.store.minutes(EDGE, NOON, NOON)[NOON]
    assert (figures.total("Requests"), figures.total("Errors")) == (71.0, 1.0)
    assert figures.total("CostUsd") == pytest.approx(0.071)
    assert figures.quantile("LatencyMs", 0.5) == pytest.approx(100.0, rel=0.02)
    assert figures.quantile("TimeToFirstTokenMs", 0.99) == pytest.approx(20.0, rel=0.02)
    assert consumer.store.minutes(tier_subject("cloud"), NOON, NOON + 60)[NOON + 60].total("Tokens") == 15.0
    assert sum(1 for one in consumer.reported if ("Requests", 1.0) in one.values) == 72


@pytest.mark.parametrize("seed", range(4))
def test_redelivery_disorder_and_crashes_count_nothing_twice_and_lose_nothing(seed: int) -> None:
    """A batch comes again until it is taken; the commit fails before or after it is done, or another was faster."""
    chance = random.Random(seed)

    def before() -> None:
        roll = chance.random()
        if roll < 0.1:
            raise StoreError("throttled")
        if roll < 0.2:
            raise StaleStateError("another was faster")

    def after() -> None:
        if chance.random() < 0.15:
            raise StoreError("no answer came, but it is written")

    consumer = Consumer(MemoryFigures(before, after))
    rows = [outcome(n, chance.choice((EDGE, "cloud/nova")), time=NOON + n % 300) for n in range(400)]
    again = rows + chance.sample(rows, 150)
    chance.shuffle(again)
    while again:
        size = chance.randint(1, 120)
        batch, again = again[:size], again[size:]
        failed = consumer.consume(batch)
        if failed:
            again = batch[int(failed[0]) :] + again
    total = sum(consumer.store.total(name, "Requests") for name in (EDGE, "cloud/nova"))
    assert total == 400.0
    assert consumer.store.total(tier_subject("mec"), "Requests") == consumer.store.total(EDGE, "Requests")
    samples = [from_value(consumer.store.stored[estimates_key(name)].value) for name in (EDGE, "cloud/nova")]
    assert sum(shared.estimates.samples for shared in samples) == 400


def test_order_and_batches_do_not_change_the_figures() -> None:
    rows = [outcome(n, latency_ms=n * 3.7, time=NOON + n * 7.0) for n in range(60)]
    one, two = Consumer(), Consumer()
    one.consume(rows)
    for row in reversed(rows):
        two.consume([row])
    assert one.store.table == two.store.table


def test_only_what_is_new_is_reported() -> None:
    consumer = Consumer()
    consumer.consume([outcome(n) for n in range(10)])
    consumer.reported.clear()
    consumer.consume([outcome(n) for n in range(5, 12)])
    assert sum(1 for one in consumer.reported if ("Requests", 1.0) in one.values) == 2


def test_the_same_event_twice_in_one_batch_counts_once() -> None:
    consumer = Consumer()
    assert consumer.consume([outcome(1), outcome(1), outcome(2)]) == []
    assert consumer.store.total(EDGE, "Requests") == 2.0


POISON: list[Any] = [
    b"",
    b"\xff\xfe",
    b"[1]",
    b"{}",
    b'{"kind": "outcome", "time": NaN}',
    b"[" * 100_000,
    outcome(1, time="now"),
    outcome(1, time=5.0),
    outcome(1, cost_usd=-1.0),
    outcome(1, cost_usd=True),
    outcome(1, latency_ms=1e300),
    outcome(1) | {"target": None},
    outcome(1) | {"target": "x" * 200},
    outcome(1, attempts=[{}]),
    outcome(1, attempts=outcome(1)["attempts"] * 17),
    outcome(1, event_id=7),
    outcome(1, event_id="x" * 600),
    {"kind": 3, "time": NOON},
    {"kind": "quality", "time": NOON, "request_id": "r", "target": EDGE, "source": "feedback", "score": None},
    {"kind": "decision", "time": NOON, "request_id": "r", "chosen": EDGE, "tier": "mec"},
    outcome(1, attempt_figures=[["fast", 1, 1, 0.0]]),
    outcome(1, attempts=[{"target": EDGE, "outcome": "ok", "latency_ms": "slow"}]),
    outcome(1, attempt_figures=7),
    outcome(1, attempt_figures=[]),
    outcome(1, attempt_figures=[[1.0, 1]]),
    outcome(1, attempt_figures=[[1.0, "many", 1, 0.0]]),
    outcome(1, attempt_figures=[[1.0, 1, "many", 0.0]]),
]


@pytest.mark.parametrize("poison", POISON, ids=range(len(POISON)))
def test_poison_is_reported_alone_and_keeps_no_good_record_back(
    poison: Any, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = Consumer()
    with caplog.at_level(logging.ERROR):
        assert consumer.consume([outcome(11), poison, outcome(12)], start=40) == ["41"]
    assert consumer.store.total(EDGE, "Requests") == 2.0
    assert consumer.poison == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert '"event": "poison", "sequence": "41"' in line


def test_poison_does_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    consumer = Consumer()
    with caplog.at_level(logging.ERROR):
        consumer.consume([b'{"sesame": "open"', outcome(1) | {"target": "sesame\n"}])
    assert "sesame" not in caplog.text and "poison" in caplog.text


def test_states_policies_and_kinds_of_tomorrow_are_passed_over() -> None:
    consumer = Consumer()
    rows = [{"kind": kind, "time": NOON, "sha256": "aa"} for kind in ("state", "policy", "billing")]
    assert consumer.consume(rows) == []
    assert consumer.store.marks == set()


def test_a_store_that_is_down_gives_the_whole_batch_back() -> None:
    def down() -> None:
        raise StoreError("the metrics table cannot be reached")

    consumer = Consumer(MemoryFigures(down))
    assert consumer.consume([outcome(n) for n in range(150)]) == [str(n) for n in range(150)]
    assert consumer.reported == []


def test_a_target_that_only_fails_is_told_once_per_period() -> None:
    consumer = Consumer()
    for n in range(12):
        consumer.consume([failure(n)])
    assert consumer.kinds() == ["TargetDown"]
    alert = consumer.pager.sent[0]
    assert (alert.subject, dict(alert.figures)) == (EDGE, {"asked": 5.0, "errors": 5.0})
    consumer.consume([failure(n, time=NOON + 59.0 - n) for n in range(20, 30)])
    assert consumer.kinds().count("TargetDown") == 1


def test_a_target_that_is_fallen_back_from_is_seen_to_be_down() -> None:
    consumer = Consumer()
    tries = [
        {"target": EDGE, "outcome": "timeout", "latency_ms": 9.0, "error": "slow"},
        {"target": "cloud/nova", "outcome": "ok", "latency_ms": 80.0, "error": None},
    ]
    rows = [[None, 0, 0, 0.0], [30.0, 10, 5, 0.001]]
    consumer.consume([outcome(n, "cloud/nova", attempts=tries, attempt_figures=rows) for n in range(6)])
    assert [(alert.kind, alert.subject) for alert in consumer.pager.sent] == [("TargetDown", EDGE)]
    assert consumer.store.total("cloud/nova", "Fallbacks") == 6.0


def test_many_errors_of_a_tier_are_an_error_rate() -> None:
    consumer = Consumer()
    consumer.consume([failure(n) if n % 3 == 0 else outcome(n) for n in range(30)])
    assert set(consumer.kinds()) == {"ErrorRateHigh"}
    assert {alert.subject for alert in consumer.pager.sent} == {EDGE, tier_subject("mec")}


def test_a_jump_of_cost_is_told_against_the_minutes_before() -> None:
    consumer = Consumer()
    quiet = [outcome(n, cost_usd=0.03, time=NOON - 60.0 * n) for n in range(1, 15)]
    consumer.consume(quiet)
    assert consumer.kinds() == []
    consumer.consume([outcome(100, cost_usd=0.3)])
    assert set(consumer.kinds()) == {"CostSpike"}


def test_a_refused_policy_is_told() -> None:
    consumer = Consumer()
    consumer.consume([policy_refused_record(NOON + n, "/tierwise/dev/policy", "default@3") for n in range(3)])
    assert consumer.kinds() == ["PolicyRefused"]


def test_late_events_are_counted_and_wake_nobody() -> None:
    consumer = Consumer()
    consumer.consume([failure(n, time=NOON - 3_600.0) for n in range(30)])
    assert consumer.store.total(EDGE, "Errors") == 30.0
    assert consumer.kinds() == []


def test_an_alert_that_could_not_be_sent_is_sent_with_the_next_event() -> None:
    consumer = Consumer(trouble=1)
    assert consumer.consume([failure(n) for n in range(6)]) == []
    assert consumer.kinds() == []
    consumer.consume([failure(6)])
    assert consumer.kinds() == ["TargetDown"]


def test_feedback_reaches_figures_and_estimates() -> None:
    consumer = Consumer()
    consumer.consume([feedback(1, 0.2), feedback(2, 0.6)])
    figures: MinuteFigures = consumer.store.minutes(EDGE, NOON, NOON)[NOON]
    assert figures.mean("Feedback") == pytest.approx(0.4)
    shared = from_value(consumer.store.stored[estimates_key(EDGE)].value)
    assert shared.score == pytest.approx(0.4)
    assert shared.judged == 2
