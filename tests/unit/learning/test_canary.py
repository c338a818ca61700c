"""A canary is ended soon when it does harm, hardly ever when it does none, and by one gateway of all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.canary import CanaryGuard
from benchmarks.simulator.canaries import Harms, lives
from gateway.composition.canary import end_canary
from router_core.adapters.aws.ssm_policy import look
from router_core.adapters.memory.state import MemoryStateStore
from router_core.learning.canary_test import (
    FIRST_SHARE,
    Harm,
    Trial,
    allowed_share,
    from_value,
    harm,
    to_value,
)
from router_core.policy.parse import from_document
from router_core.policy.rollout import Rollout, parse_shift
from tests.fakes import FakeClock, FakeEvents, FixedPolicy
from tests.unit.policy.parameters import ROLLOUT, filled, store_of

STABLE, CANARY = from_document({"name": "stable"}), from_document({"name": "canary", "version": 2})
RUNNING = Rollout(stable=STABLE, canary=CANARY, share=0.1, ramp=True)


def outcome(number: int, cost: float, status: str = "completed") -> dict[str, Any]:
    return {
        "kind": "outcome", "request_id": f"r{number}", "status": status, "cost_usd": cost, "latency_ms": 100.0,
    }  # fmt: skip


def serve(guard: CanaryGuard, numbers: range, *, canary: bool, cost: float) -> None:
    policy = CANARY if canary else STABLE
    for number in numbers:
        guard.emit({"kind": "decision", "request_id": f"r{number}", "policy_sha256": policy.sha256})
        guard.emit(outcome(number, cost * (1.0 + 0.1 * (number % 3))))


def test_a_canary_that_costs_three_times_as_much_gets_less_than_one_request_in_100(at_size: Any) -> None:
    count = at_size(60, 1_000)
    found = lives(count, Harms(cost=3.0), 100_000)
    assert all(one.ended for one in found)
    assert max(one.share for one in found) <= 0.01


@pytest.mark.parametrize("harms", [Harms(latency=3.0), Harms(errors=0.2), Harms(quality=0.5)])
def test_every_harm_ends_it(harms: Harms) -> None:
    found = lives(10, harms, 120_000)
    assert sum(one.ended for one in found) >= 9
    assert max(one.share for one in found) <= 0.02


def test_a_harmless_one_is_not_ended_and_climbs(at_size: Any) -> None:
    found = lives(at_size(40, 400), Harms(), 150_000)
    assert sum(one.ended for one in found) <= at_size(1, 6)
    assert sum(one.share > 1.1 * FIRST_SHARE for one in found) > len(found) // 2


def test_trials_add_up_and_survive_the_store() -> None:
    one = Trial().fold("canary", outcome(1, 0.5)).fold("stable", outcome(2, 0.25, "failed"))
    two = Trial().fold("canary", {"kind": "quality", "score": 0.25})
    whole = one + two
    assert whole.canary.metrics["quality"].mean == 0.75
    assert whole.stable.metrics["errors"].mean == 1.0
    assert from_value(to_value(whole)) == whole
    for bad in (b"", b"[]", b"{}", b'{"stable": {"errors": 1}}'):
        with pytest.raises(ValueError):
            from_value(bad)


@pytest.mark.parametrize(
    "record", [{"kind": "decision"}, {"kind": "quality", "score": "good"}, {"kind": "outcome"}]
)
def test_what_tells_nothing_changes_nothing(record: dict[str, Any]) -> None:
    assert Trial().fold("canary", record) == Trial()
    assert allowed_share(Trial()) == FIRST_SHARE
    assert harm(Trial()) is None


async def test_gateways_judge_the_whole_and_one_of_them_records_the_end() -> None:
    shared = MemoryStateStore(FakeClock())
    told: list[str] = []

    async def end(now: Rollout, found: Harm) -> None:
        told.append(found.why)

    guards = [CanaryGuard(FixedPolicy(RUNNING), FakeEvents(), shared, end) for _ in range(2)]
    assert all(guard.rollout().share == FIRST_SHARE for guard in guards)
    for half, guard in enumerate(guards):
        serve(guard, range(half * 1_000, half * 1_000 + 60), canary=False, cost=1.0)
        serve(guard, range(5_000 + half * 1_000, 5_020 + half * 1_000), canary=True, cost=3.0)
    await guards[0].look()
    assert guards[0].harm is None, "20 requests of the canary alone say nothing"
    await guards[1].look()
    await guards[0].look()
    assert guards[1].harm is not None
    assert guards[1].rollout() == Rollout(stable=STABLE)
    assert told == [guards[1].harm.why]
    assert told[0].startswith("cost $3.")


async def test_without_a_canary_nothing_is_counted_and_all_is_passed_on() -> None:
    events, source = FakeEvents(), FixedPolicy(Rollout(stable=STABLE))
    guard = CanaryGuard(source, events, None)
    serve(guard, range(100), canary=False, cost=1.0)
    await guard.look()
    assert len(events.records) == 200
    assert guard.trial == Trial()
    assert (guard.rollout(), guard.refused, guard.dropped) == (source.given, 0, 0)


async def test_an_operators_own_share_is_not_held_back_but_ended_all_the_same() -> None:
    at_once = Rollout(stable=STABLE, canary=CANARY, share=0.5)
    guard = CanaryGuard(FixedPolicy(at_once), FakeEvents(), None)
    assert guard.rollout().share == 0.5
    serve(guard, range(100), canary=False, cost=1.0)
    serve(guard, range(1_000, 1_100), canary=True, cost=3.0)
    await guard.look()
    assert guard.rollout().canary is None


def test_the_end_is_recorded_in_parameter_store_once() -> None:
    fake = filled("stable", "canary", stable=1, canary=2, share=0.1)
    found = Harm(metric="cost_usd", why="cost 3 against 1")
    now = look(store_of(fake)).rollout
    assert not end_canary(store_of(fake), RUNNING, found), "another canary runs by now"
    assert end_canary(store_of(fake), now, found)
    shift = parse_shift(fake.parameters[ROLLOUT][-1].value)
    assert (shift.share, shift.ramp) == (0.0, False)
    assert shift.change is not None
    assert (shift.change.action, shift.change.by, shift.change.why) == ("rollback", "tierwise", found.why)
    assert not end_canary(store_of(fake), now, found)
    assert json.loads(fake.parameters[ROLLOUT][-1].value)["change"]["before"] == "canary@1"
