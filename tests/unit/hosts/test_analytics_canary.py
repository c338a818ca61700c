"""Where functions serve, the stream's consumer judges a canary: each event once, whatever its order; a harmful one ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agents.canary import LOCK, SEEN, STREAMED, trial_key
from gateway.hosts.analytics import Analytics
from gateway.hosts.analytics_canary import StreamedTrial, ending
from gateway.hosts.canary_followed import FollowedCanary
from router_core.adapters.aws.ssm_policy import SsmPolicySource
from router_core.adapters.memory.state import MemoryStateStore
from router_core.errors import ConfigurationError, StaleStateError, StoreError
from router_core.learning.canary_test import FIRST_SHARE, Harm, Trial, from_value, to_value
from router_core.policy.parse import from_document
from router_core.policy.rollout import Rollout, parse_shift
from tests.fakes import FakeClock
from tests.unit.hosts.stream import (
    NOON,
    MemoryFigures,
    Pager,
    decision,
    delivered,
    failures,
    feedback,
    outcome,
)
from tests.unit.policy.parameters import ROLLOUT, filled, store_of

STABLE, CANARY = from_document({"name": "stable"}), from_document({"name": "canary", "version": 2})
RUNNING = Rollout(stable=STABLE, canary=CANARY, share=0.1, ramp=True)
KEY = trial_key(STREAMED, RUNNING)


class Source:
    """A rollout that a test sets; `asked` counts looks."""

    def __init__(self, given: Rollout = RUNNING) -> None:
        self.given, self.asked, self.refused = given, 0, 0

    def catch_up(self, every_s: float) -> bool:
        self.asked += 1
        return False

    def refresh(self) -> bool:
        return False

    def rollout(self) -> Rollout:
        return self.given


class Site:
    """A consumer, what it was told to end, and what people heard."""

    def __init__(self, store: MemoryFigures | None = None, trouble: bool = False) -> None:
        self.store, self.pager, self.source = store or MemoryFigures(), Pager(), Source()
        self.ended: list[str] = []
        self.trouble = trouble
        clock = FakeClock()
        clock.now = NOON - 1_700_000_000.0 + 90.0
        made = Analytics(self.store, self.store, self.pager, lambda counted, poison: None, clock)
        self.consumer = made.judging(StreamedTrial(lambda: self.source, self.store, self._end))

    def _end(self, now: Rollout, found: Harm) -> bool:
        if self.trouble:
            raise StoreError("Parameter Store may not be used with these credentials")
        self.ended.append(found.why)
        self.source.given = Rollout(stable=STABLE)
        return True

    def consume(self, rows: list[dict[str, Any]]) -> list[str]:
        return failures(self.consumer.consume(delivered(rows)))

    @property
    def trial(self) -> Trial:
        return from_value(self.store.stored[KEY].value)


def served(numbers: range, *, canary: bool, cost: float) -> list[dict[str, Any]]:
    sha256 = (CANARY if canary else STABLE).sha256
    return [
        row
        for number in numbers
        for row in (
            decision(number, sha256),
            outcome(number, cost_usd=cost * (1.0 + 0.1 * (number % 3)), cache="miss"),
        )
    ]


def test_a_canary_that_costs_three_times_as_much_ends_and_people_hear_of_it_once() -> None:
    site = Site()
    assert site.consume(served(range(200), canary=False, cost=0.001)) == []
    assert site.consume(served(range(200, 220), canary=True, cost=0.003)) == []
    assert site.ended == [], "20 requests say nothing"
    site.consume(served(range(220, 280), canary=True, cost=0.003))
    (why,) = site.ended
    assert why.startswith("cost $0.003")
    (alert,) = site.pager.sent
    assert (alert.kind, alert.subject) == ("CanaryHarm", "canary@2")
    assert dict(alert.figures)["ended"] == 1.0
    site.consume(served(range(300, 400), canary=False, cost=0.001))
    assert len(site.ended) == len(site.pager.sent) == 1


def test_what_cannot_be_ended_is_told_and_tried_again() -> None:
    site = Site(trouble=True)
    site.consume(
        served(range(200), canary=False, cost=0.001) + served(range(200, 280), canary=True, cost=0.003)
    )
    assert dict(site.pager.sent[0].figures)["ended"] == 0.0
    site.trouble = False
    site.consume([outcome(1000)])
    assert len(site.ended) == 1


@pytest.mark.parametrize("seed", range(3))
def test_redelivery_crashes_and_late_judgements_count_each_event_once_in_its_arm(seed: int) -> None:
    chance = random.Random(seed)

    def before() -> None:
        if chance.random() < 0.2:
            raise StaleStateError("another was faster")

    def after() -> None:
        if chance.random() < 0.15:
            raise StoreError("no answer came, but it is written")

    site = Site(MemoryFigures(before, after))
    rows = served(range(60), canary=False, cost=0.001) + served(range(60, 80), canary=True, cost=0.001)
    judged = [feedback(number, 0.75) for number in range(50, 70)]
    for batch in (rows, chance.sample(rows, 50), judged, judged, rows):
        while failed := site.consume(batch):
            batch = batch[int(failed[0]) :]
    assert (site.trial.stable.requests, site.trial.canary.requests) == (60, 20)
    assert site.trial.stable.metrics["quality"].count == site.trial.canary.metrics["quality"].count == 10
    assert site.trial.canary.metrics["quality"].mean == pytest.approx(0.25)


def test_requests_of_other_policies_and_times_without_a_canary_are_not_counted() -> None:
    site = Site()
    site.consume([decision(1, "a" * 64), outcome(1), outcome(2), feedback(3, 1.0)])
    assert KEY not in site.store.stored
    site.source.given = Rollout(stable=STABLE)
    site.consume(served(range(10, 20), canary=False, cost=0.001))
    assert KEY not in site.store.stored
    # Decided before the canary began, answered after.
    site.consume([decision(21, STABLE.sha256)])
    site.source.given = RUNNING
    site.consume([outcome(21)])
    assert site.trial.stable.requests == 1


@pytest.mark.parametrize("name", [["r"], {}, None, 7, "", "x" * 5_000])
def test_a_request_without_a_name_keeps_nobody_else_from_being_counted(name: Any) -> None:
    site = Site()
    strange = outcome(2) | {"request_id": name, "event_id": "strange"}
    assert site.consume([decision(1, CANARY.sha256), strange, outcome(1)]) == []
    assert site.trial.canary.requests == 1
    assert site.store.total("mec/edge-a", "Requests") == 2.0


def test_a_parameter_store_that_is_away_stops_no_counting() -> None:
    store = MemoryFigures()

    def away() -> Source:
        raise ConfigurationError("policy: Parameter Store is away")

    made = Analytics(store, store, Pager(), lambda counted, poison: None, FakeClock())
    consumer = made.judging(StreamedTrial(away, store, lambda now, found: True))
    assert failures(consumer.consume(delivered([outcome(1)]))) == []
    assert store.total("mec/edge-a", "Requests") == 1.0


def test_the_end_is_recorded_by_one_of_all_and_the_sums_are_forgotten() -> None:
    ssm = filled("stable", "canary", stable=1, canary=2, share=0.1)
    store = store_of(ssm)
    now = SsmPolicySource(store).rollout()
    shared = MemoryStateStore(FakeClock())

    @asynccontextmanager
    async def states() -> AsyncIterator[MemoryStateStore]:
        yield shared

    asyncio.run(shared.put(trial_key(STREAMED, now), to_value(Trial())))
    end = ending(lambda: store, states)
    found = Harm(metric="cost_usd", why="cost $3 against $1")
    assert end(now, found)
    shift = parse_shift(ssm.parameters[ROLLOUT][-1].value)
    assert shift.change is not None
    assert (shift.share, shift.change.by, shift.change.why) == (0.0, "tierwise", found.why)
    versions = len(ssm.parameters[ROLLOUT])
    with pytest.raises(StoreError, match="another is at it"):
        end(now, found)
    assert len(ssm.parameters[ROLLOUT]) == versions
    assert set(shared._entries) == {trial_key(LOCK, now)}


async def test_functions_give_a_climbing_canary_what_it_has_earned_and_a_harmful_one_nothing() -> None:
    shared = MemoryStateStore(FakeClock())
    source: Any = Source()
    followed = FollowedCanary(source, lambda: shared)
    await followed.look(0.0)
    assert followed.rollout().share == FIRST_SHARE
    calm, bad = Trial(), Trial()
    for number in range(400):
        calm = calm.fold("stable", outcome(number)).fold("canary", outcome(number))
        bad = bad.fold("stable", outcome(number)).fold("canary", outcome(number, cost_usd=0.003))
    await shared.put(trial_key(STREAMED, RUNNING), to_value(calm))
    await followed.look(0.0)
    assert followed.rollout().share == pytest.approx(400 / 20_000)
    await shared.put(trial_key(SEEN, RUNNING), to_value(bad))
    await followed.look(0.0)
    assert followed.rollout().canary is CANARY, "what gateways counted is theirs"
    await shared.put(trial_key(STREAMED, RUNNING), to_value(bad))
    await followed.look(3600.0)
    assert followed.rollout().canary is CANARY, "nothing is read again before its time"
    await followed.look(0.0)
    assert followed.rollout() == Rollout(stable=STABLE)
    await shared.delete(trial_key(STREAMED, RUNNING))
    await followed.look(0.0)
    assert followed.rollout().canary is None, "the rollout document has the last word"
    source.given = Rollout(stable=STABLE, canary=from_document({"name": "other"}), share=0.2)
    assert followed.rollout().share == 0.2


def test_without_a_shared_state_a_climbing_canary_stays_at_its_first_share() -> None:
    source: Any = Source()
    assert FollowedCanary(source, None).rollout().share == FIRST_SHARE
