"""A round: every step's answer, or its lack, ends where it should; what is stored is permitted, recorded, and not in force."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.deliberation.background import Background
from agents.deliberation.background_questions import wishes_of
from agents.proposals.permitted import changed
from agents.proposals.proposal import Proposal
from router_core.errors import NotTakenError, StoreError
from router_core.policy.document import Policy
from tests.unit.deliberation.thinking import HANGS
from tests.unit.proposals.round import SAYS, Scene, rules

pytest.importorskip("strands", reason="the deliberation extra is not installed")
AGENTS = ("monitor", "resource", "cache", "router", "safety")


async def test_a_pattern_becomes_a_proposal_that_waits() -> None:
    scene = Scene()
    scene.traffic()
    now = await scene.background.look("schedule")
    assert now.ended is None and now.proposal is not None
    (kept,) = await scene.desk.book.all()
    assert kept.state == "waiting" and kept.verdict == "better" and kept.by == "agents"
    assert [one.as_document() for one in kept.moved] == [
        {"key": "objectives.balanced.cost", "before": 0.2, "after": 0.25}
    ]
    assert scene.simulated == [(kept.policy(), scene.policy)]
    assert [record["step"] for record in scene.events.of("proposal_step")][-3:] == [
        "safety",
        "simulate",
        "end",
    ]
    assert [question.role for question in scene.thinker.asked][-2:] == ["pro", "micro"]


async def test_a_record_alone_gives_the_same_draft_again() -> None:
    scene = Scene()
    scene.traffic()
    now = await scene.background.look("schedule")
    (told,) = [record for record in scene.events.of("proposal_step") if record["step"] == "router"]
    assert told["policy_sha256"] == scene.policy.sha256 and told["prompt"].startswith("router_background@1#")
    assert changed(scene.policy, wishes_of(scene.policy, told["answer"])) == now.new


@pytest.mark.parametrize(
    ("agent", "says", "ended"),
    [
        ("monitor", {"pattern": "none", "target": "none", "confidence": 0.9}, "monitor: no pattern"),
        ("monitor", {"pattern": "cost", "target": "cloud/pro", "confidence": 0.2}, "monitor: not sure"),
        ("resource", {"cause": "outage", "confidence": 0.9}, "resource: outage"),
        ("cache", {"explains": "yes", "confidence": 0.9}, "cache: explains it"),
        ("router", {**SAYS["router_background"], "key_1": "none"}, "limits: a proposal changes 1 to 3"),
        ("router", {**SAYS["router_background"], "size_1": 0.0}, "limits: objectives.balanced.cost is"),
        ("router", {**SAYS["router_background"], "key_1": "tiers.cloud.max_privacy"}, "router: no answer"),
        ("router", {**SAYS["router_background"], "size_1": 99.0}, "router: no answer"),
        ("safety", {"verdict": "refuse", "concern": "quality", "confidence": 0.9}, "safety: quality"),
    ],
)
async def test_each_agent_can_end_it(agent: str, says: Any, ended: str) -> None:
    scene = Scene(says={f"{agent}_background": says})
    scene.traffic()
    now = await scene.background.look("schedule")
    assert now.ended is not None and now.ended.startswith(ended)
    assert await scene.desk.book.all() == () and scene.events.of("proposal") == []


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize(
    "trouble",
    [StoreError("down"), NotTakenError("junk"), {"x": 1}, {"pattern": "<script>", "confidence": "high"}],
)
async def test_a_model_that_is_down_or_says_junk_proposes_nothing(agent: str, trouble: Any) -> None:
    scene = Scene(says={f"{agent}_background": trouble})
    scene.traffic()
    now = await scene.background.look("schedule")
    assert now.ended == f"{agent}: no answer"
    assert await scene.desk.book.all() == ()


async def test_the_spend_cap_holds_for_rounds() -> None:
    broke = rules()
    scene = Scene(
        policy=Policy(
            proposals=broke.proposals, deliberation_limits=type(broke.deliberation_limits)(usd_per_day=0.0)
        )
    )
    scene.traffic()
    assert (await scene.background.look("schedule")).ended == "monitor: no answer"
    assert scene.thinker.asked == []


async def test_what_was_worse_or_could_not_be_simulated_is_not_proposed() -> None:
    for report, ended in (
        ({"verdict": "worse"}, "simulation: worse"),
        (StoreError("no log"), "simulation: no log"),
    ):
        scene = Scene(report=report)
        scene.traffic()
        assert (await scene.background.look("schedule")).ended == ended
        assert await scene.desk.book.all() == ()


async def test_without_traffic_nobody_is_asked() -> None:
    scene = Scene()
    assert (await scene.background.look("alert")).ended == "monitor: nothing was asked lately"
    assert scene.thinker.asked == []


async def test_a_policy_that_changed_meanwhile_ends_the_round() -> None:
    scene = Scene()
    scene.traffic()
    report = scene.report

    async def simulate(new: Policy, old: Policy) -> Any:
        scene.changed()
        return report

    object.__setattr__(scene, "simulate", simulate)
    scene.desk = scene.replica("one")
    now = await scene.looker(scene.desk).look("schedule")
    assert now.ended == "store: the policy changed meanwhile"


async def test_of_many_replicas_one_looks_once_a_period() -> None:
    scene = Scene()
    scene.traffic()
    replicas: list[Background] = [scene.looker(scene.replica(f"replica-{n}")) for n in range(5)]
    assert [await one.turn() for one in replicas] == [None] * 5, (
        "the schedule begins with the first look at it"
    )
    scene.clock.now += 25 * 3600.0
    scene.traffic()
    rounds = await asyncio.gather(*(one.turn() for one in replicas))
    assert sum(one is not None for one in rounds) == 1
    assert [await one.turn() for one in replicas] == [None] * 5
    assert len(await scene.desk.book.all()) == 1


async def test_an_alert_has_somebody_look_before_the_schedule() -> None:
    scene = Scene()
    scene.traffic()
    await scene.background.turn()
    await scene.desk.book.want("alert: TargetDown")
    now = await scene.background.turn()
    assert now is not None and now.why == "alert: TargetDown"
    assert now.proposal is not None and now.proposal.why.endswith("(alert: TargetDown)")
    assert await scene.background.turn() is None


@pytest.mark.parametrize("mode", ["off", "canary"])
async def test_no_round_while_off_or_while_a_canary_runs(mode: str) -> None:
    scene = Scene(policy=rules(mode=mode), canary=rules(every_h=1.0) if mode == "canary" else None)
    await scene.desk.book.want("alert")
    assert await scene.background.turn() is None and scene.thinker.asked == []


async def test_what_is_better_is_tried_where_the_policy_allows_it() -> None:
    pushed: list[tuple[str, float, str]] = []

    async def push(one: Proposal, new: Policy, share: float, by: str) -> None:
        pushed.append((new.label, share, by))

    for verdict, mode, expected in (
        ("better", "canary", "canary"),
        ("not enough evidence", "canary", "waiting"),
        ("better", "propose", "waiting"),
    ):
        scene = Scene(policy=rules(mode=mode, share=0.03), report={"verdict": verdict}, push=push)
        scene.traffic()
        await scene.background.look("schedule")
        assert [one.state for one in await scene.desk.book.all()] == [expected]
    assert pushed == [("default@2", 0.03, "tierwise")]


UNDECIDED = {"verdict": "not enough evidence", "overall": {"decisions": 500, "changed": 0.2}}


@pytest.mark.parametrize(
    ("report", "bar", "expected"),
    [
        (UNDECIDED, "not_worse", "canary"),
        ({"verdict": "better"}, "not_worse", "canary"),
        (UNDECIDED, "better", "waiting"),
        ({**UNDECIDED, "overall": {"decisions": 99, "changed": 0.2}}, "not_worse", "waiting"),
        ({**UNDECIDED, "overall": {"decisions": 500, "changed": 0.0}}, "not_worse", "waiting"),
        ({**UNDECIDED, "not_visible": ["class_rules.complex_at"]}, "not_worse", "waiting"),
        ({"verdict": "no evidence", "overall": {"decisions": 500, "changed": 0.2}}, "not_worse", "waiting"),
        ({"verdict": "better, I promise"}, "not_worse", "waiting"),
    ],
)
async def test_where_the_policy_says_so_a_canary_is_the_experiment(
    report: dict[str, Any], bar: str, expected: str
) -> None:
    async def push(one: Proposal, new: Policy, share: float, by: str) -> None:
        assert by == "tierwise" and share == 0.05

    scene = Scene(policy=rules(mode="canary", canary_at=bar), report=report, push=push)
    scene.traffic()
    await scene.background.look("schedule")
    (kept,) = await scene.desk.book.all()
    assert kept.state == expected
    shown = "shown to be better" if report["verdict"] == "better" else "not shown to be worse"
    assert kept.reason is None if expected == "waiting" else str(kept.reason).startswith(shown)


async def test_a_slow_model_ends_the_round_and_not_the_replica() -> None:
    scene = Scene(says={"router_background": HANGS})
    scene.traffic()
    asyncio.get_running_loop().call_later(0.05, scene.thinker.goes_on.set)
    now = await scene.background.look("schedule")
    assert now.ended is not None, "the late answer is junk: the last word of every list"
