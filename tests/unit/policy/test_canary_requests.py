"""Requests while two policies are in force: each session under one of them, each decision replayable, ends included."""

from __future__ import annotations

from typing import Any

import pytest

from agents.assembly import Router
from router_core.errors import AllTargetsFailedError, NoPermittedTargetError, RefusedError, UnavailableError
from router_core.inference import Params
from router_core.policy.parse import from_document
from router_core.policy.rollout import Rollout
from router_core.routing.replay import replay, same
from router_core.routing.table import TargetTable
from tests.fakes import FixedPolicy
from tests.unit.agents.house import House, ask

STABLE = from_document({"name": "stable", "retry": {"base_ms": 1, "cap_ms": 2}})
CANARY = from_document(
    {
        "name": "canary",
        "version": 2,
        "tiers": {"mec": {"enabled": False}},
        "retry": {"base_ms": 1, "cap_ms": 2},
    }
)
BOTH = Rollout(stable=STABLE, canary=CANARY, share=0.5)


def roll_out(router: Router, rollout: Rollout) -> None:
    """As a policy source would between two refreshes."""
    source = router._ports.policy
    assert isinstance(source, FixedPolicy)
    source.given = rollout
    router._refresh()


async def policies(router: Router, sessions: int = 60) -> dict[str, str]:
    """The label of the policy by session."""
    answers = {i: await router.explain(ask(session_id=f"s-{i}")) for i in range(sessions)}
    return {f"s-{i}": answer.decision.policy for i, answer in answers.items()}


async def test_sessions_are_split_and_each_keeps_its_policy() -> None:
    router = House(policy=STABLE).build()
    assert set((await policies(router)).values()) == {"stable@1"}
    roll_out(router, BOTH)
    first = await policies(router)
    assert set(first.values()) == {"stable@1", "canary@2"}
    assert await policies(router) == first


async def test_the_canary_decides_by_its_own_rules() -> None:
    router = House(policy=STABLE).build()
    roll_out(router, BOTH)
    for i in range(20):
        decision = (await router.explain(ask(session_id=f"s-{i}"))).decision
        assert ("mec/a" in decision.rejected) == (decision.policy == "canary@2")
        assert decision.policy_sha256 == (CANARY if decision.policy == "canary@2" else STABLE).sha256


async def test_a_larger_share_and_a_promotion_move_sessions_one_way() -> None:
    router = House(policy=STABLE).build()
    moved: set[str] = set()
    for share in (0.1, 0.4, 1.0):
        roll_out(router, Rollout(stable=STABLE, canary=CANARY, share=share))
        served = {session for session, label in (await policies(router)).items() if label == "canary@2"}
        assert moved <= served
        moved = served
    roll_out(router, Rollout(stable=CANARY))
    assert set((await policies(router)).values()) == {"canary@2"}


async def test_every_decision_replays_from_its_records() -> None:
    house = House(policy=STABLE)
    router = house.build()
    roll_out(router, BOTH)
    for i in range(20):
        await router.answer(ask(request_id=f"req_{i}", session_id=f"s-{i}"))
    kept: dict[str, dict[str, Any]] = {}
    for record in house.events.records:
        kept[f"{record['kind']}:{record.get('sha256')}"] = dict(record)
    decisions = [record for record in house.events.records if record["kind"] == "decision"]
    assert {decision["policy"] for decision in decisions} == {"stable@1", "canary@2"}
    for decision in decisions:
        again = replay(
            decision, kept[f"state:{decision['state_sha256']}"], kept[f"policy:{decision['policy_sha256']}"]
        )
        assert same(decision, again)


async def test_an_answer_kept_under_one_policy_is_not_given_under_the_other() -> None:
    router = House(policy=STABLE).build()
    fixed = Params(temperature=0.0)
    assert (await router.answer(ask(params=fixed))).cache == "miss"
    assert (await router.answer(ask(params=fixed))).cache == "hit"
    roll_out(router, Rollout(stable=STABLE, canary=CANARY, share=1.0))
    assert (await router.answer(ask(params=fixed))).cache == "miss"


async def test_a_failure_names_the_policy_that_decided() -> None:
    router = House(policy=STABLE).build(mec=[UnavailableError("x")] * 9, cloud=[RefusedError("x")] * 9)
    roll_out(router, Rollout(stable=STABLE, canary=CANARY, share=1.0))
    with pytest.raises(AllTargetsFailedError) as failed:
        await router.answer(ask())
    assert failed.value.policy == "canary@2"
    closed = from_document(
        {"name": "closed", "tiers": {tier: {"enabled": False} for tier in ("device", "mec", "cloud")}}
    )
    roll_out(router, Rollout(stable=STABLE, canary=closed, share=1.0))
    with pytest.raises(NoPermittedTargetError) as refused:
        await router.answer(ask())
    assert refused.value.policy == "closed@1"


async def test_the_policys_confidence_goes_with_each_call() -> None:
    house = House(policy=STABLE)
    router = house.build()
    sure = from_document({"name": "sure", "thresholds": {"device_confidence": 0.99}})
    roll_out(router, Rollout(stable=STABLE, canary=sure, share=1.0))
    await router.answer(ask("set a timer for 5 minutes"))
    calls = house.models["device/intent"].calls
    assert [call.min_confidence for call in calls] == [0.99]


async def test_what_belongs_to_a_target_follows_the_stable_policy() -> None:
    """A breaker is one per target, whoever's requests failed: the canary's rules for it come with its promotion."""
    strict = from_document({"name": "strict", "breaker": {"failures": 1}})
    router = House(policy=STABLE).build(mec=[UnavailableError("x")], cloud=[UnavailableError("x")] * 9)
    roll_out(router, Rollout(stable=STABLE, canary=strict, share=1.0))
    with pytest.raises(AllTargetsFailedError):
        await router.answer(ask())
    assert {view.breaker for view in router.targets()} == {"closed"}


def test_without_a_canary_nothing_is_compiled_for_one() -> None:
    router = House(policy=STABLE).build()
    assert canary_of(router) is None
    roll_out(router, BOTH)
    table = canary_of(router)
    assert table is not None
    assert table.state is router._resource.table.state
    roll_out(router, Rollout(stable=STABLE))
    assert canary_of(router) is None
    assert router.rollout() == Rollout(stable=STABLE)


def canary_of(router: Router) -> TargetTable | None:
    return router._resource.canary
