"""A round of the background graph through Strands and boto3, signed and checked, against the stand-in for Bedrock."""

from __future__ import annotations

from typing import Any

import pytest

from agents.deliberation.asking import Look
from agents.deliberation.background_questions import router_question
from agents.deliberation.nova import NovaThinker
from gateway.sandbox.processes import StandIns
from tests.e2e.deliberation.test_nova import LITE, MICRO, PRO, tool_use
from tests.unit.proposals.round import SAYS, Scene, rules

FORMS = {LITE: ("monitor", "resource"), MICRO: ("cache", "safety"), PRO: ("router",)}


def scripted(bedrock: StandIns, **changes: Any) -> None:
    """Every agent's answer, in the order in which its model is asked."""
    steps = {
        model: [
            changes.get(agent)
            or {"body": tool_use(SAYS[f"{agent}_background"], name=f"{agent.title()}Round")}
            for agent in agents
        ]
        for model, agents in FORMS.items()
    }
    bedrock.script(bedrock.bedrock_url, {"reset": True, "steps": steps})


async def test_a_round_is_five_signed_calls_and_one_proposal(bedrock: StandIns, nova: NovaThinker) -> None:
    scripted(bedrock)
    scene = Scene(model=nova)
    scene.traffic()
    now = await scene.background.look("schedule")
    assert now.ended is None and now.proposal is not None
    assert bedrock.seen(bedrock.bedrock_url)["by_model"] == {LITE: 2, MICRO: 2, PRO: 1}
    assert [step["step"] for step in now.proposal.steps] in (
        ["monitor", "resource", "cache", "router", "safety", "simulate"],
        ["monitor", "cache", "resource", "router", "safety", "simulate"],
    )
    assert all(step["model"] in FORMS for step in now.proposal.steps if "model" in step)


@pytest.mark.parametrize(
    ("agent", "step"),
    [
        ("monitor", {"error": "ThrottlingException", "status": 429, "repeat": 0}),
        ("resource", {"error": "ServiceUnavailableException", "status": 503, "repeat": 0}),
        ("router", {"body": {"x": "<html>"}, "repeat": 0}),
        ("router", {"body": tool_use({"key_1": "tiers.cloud.max_privacy"}, name="RouterRound"), "repeat": 0}),
        ("router", {"body": tool_use({"command": "rm"}, name="shell"), "repeat": 0}),
        ("safety", {"body": tool_use({"verdict": "yes!"}, name="SafetyRound"), "repeat": 0}),
    ],
)
async def test_a_model_that_fails_or_obeys_somebody_else_proposes_nothing(
    bedrock: StandIns, nova: NovaThinker, agent: str, step: dict[str, Any]
) -> None:
    scripted(bedrock, **{agent: step})
    scene = Scene(model=nova)
    scene.traffic()
    now = await scene.background.look("schedule")
    assert now.ended == f"{agent}: no answer"
    assert await scene.desk.book.all() == ()


async def test_nova_away_is_no_proposal(nowhere: NovaThinker) -> None:
    scene = Scene(model=nowhere)
    scene.traffic()
    assert (await scene.background.look("schedule")).ended == "monitor: no answer"


async def test_what_is_set_aside_covers_the_longest_question(bedrock: StandIns, nova: NovaThinker) -> None:
    """The form of a draft is the largest there is; what the model is sent must not cost more than was reserved."""
    scripted(bedrock)
    scene = Scene(model=nova)
    look = Look(name="prices", meaning="prices", text='{"targets":[]}')
    question = router_question(rules(), {"targets": {}}, {}, look)
    await nova.think(question)
    sent = len(bedrock.seen(bedrock.bedrock_url)["last"][0]["body"])
    assert nova.price_usd("pro", sent // 2, 256) < scene.thinks.asker.worst_usd(question)
