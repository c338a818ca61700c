"""Strands and boto3, signed and checked: one question is one call, failures are quick, and nothing is retried."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from agents.deliberation import classing, routing
from agents.deliberation.asking import Look
from agents.deliberation.nova import NovaThinker
from agents.deliberation.reviewing import asked
from gateway.sandbox.processes import StandIns
from router_core.errors import NotTakenError, StoreError
from tests.unit.agents.house import ask
from tests.unit.deliberation.thinking import deliberator, policy, weighing

START = 1000.0
PRO, MICRO, LITE = (f"amazon.nova-{name}-v1:0" for name in ("pro", "micro", "lite"))


def script(bedrock: StandIns, *steps: dict[str, Any], model: str = PRO) -> None:
    bedrock.script(bedrock.bedrock_url, {"reset": True, "steps": {model: list(steps)}})


def tool_use(values: Any, name: str = "RoutingChoice") -> dict[str, Any]:
    """A Converse answer that calls a tool with these arguments."""
    block = {"toolUse": {"toolUseId": "tooluse_1", "name": name, "input": values}}
    return {
        "output": {"message": {"role": "assistant", "content": [block]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 900, "outputTokens": 30, "totalTokens": 930},
        "metrics": {"latencyMs": 5},
    }


async def test_a_question_is_one_signed_call_with_a_checked_answer(
    bedrock: StandIns, nova: NovaThinker
) -> None:
    question = routing.question(weighing(ask("ZEBRA-7")))
    thought = await nova.think(question)
    assert question.form.checked(thought.values)["target"] in ("cloud/pro", "mec/a")
    assert thought.model == PRO and thought.input_tokens > 300 and thought.output_tokens > 0
    seen = bedrock.seen(bedrock.bedrock_url)
    assert seen["by_model"] == {PRO: 1}
    body = json.loads(seen["last"][0]["body"])
    assert body["inferenceConfig"] == {"maxTokens": 256, "temperature": 0.0}
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["RoutingChoice"]
    assert "ZEBRA" not in seen["last"][0]["body"]


async def test_micro_classifies_and_lite_scores(bedrock: StandIns, nova: NovaThinker) -> None:
    given = weighing(ask("prove that there are infinitely many primes"))
    named, scored = await asyncio.gather(
        nova.think(classing.classify(given)), nova.think(classing.score(given))
    )
    assert (named.model, scored.model) == (MICRO, LITE)
    assert named.values["class"] in classing.CLASSES
    assert 0.0 <= scored.values["complexity"] <= 1.0


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 429), ("ServiceUnavailableException", 503), ("AccessDeniedException", 403),
     ("ModelErrorException", 424), ("ValidationException", 400)],
)  # fmt: skip
async def test_a_failure_is_quick_and_not_retried(
    bedrock: StandIns, nova: NovaThinker, code: str, status: int
) -> None:
    await nova.think(routing.question(weighing()))
    script(bedrock, {"error": code, "status": status, "repeat": 0})
    started = time.monotonic()
    with pytest.raises(StoreError):
        await nova.think(routing.question(weighing()))
    assert time.monotonic() - started < 3.0
    assert bedrock.seen(bedrock.bedrock_url)["by_model"] == {PRO: 1}


@pytest.mark.parametrize(
    "body",
    [
        tool_use({"target": "cloud/unknown", "basis": "quality", "confidence": 1.0}),
        tool_use({"target": "cloud/pro", "basis": "quality", "confidence": 1.0, "tier": "cloud"}),
        tool_use({"target": "cloud/pro", "basis": "quality", "confidence": 40}),
        tool_use({}),
        tool_use({"command": "rm"}, name="shell"),
        {"output": {"message": {"role": "assistant", "content": [{"text": "cloud/pro, I promise"}]}}, "stopReason": "end_turn",
         "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}, "metrics": {"latencyMs": 5}},
        {"output": {}},
        {"x": "<html>"},
    ],
)  # fmt: skip
async def test_an_answer_of_another_form_is_none(
    bedrock: StandIns, nova: NovaThinker, body: dict[str, Any]
) -> None:
    script(bedrock, {"body": body, "repeat": 0})
    question = routing.question(weighing())
    with pytest.raises(StoreError):
        question.form.checked((await nova.think(question)).values)
    assert bedrock.seen(bedrock.bedrock_url)["requests"] <= 3


async def test_an_answer_in_text_is_asked_for_again_in_its_form(bedrock: StandIns, nova: NovaThinker) -> None:
    text = {"output": {"message": {"role": "assistant", "content": [{"text": "mec/a"}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}, "metrics": {"latencyMs": 5}}  # fmt: skip
    good = {"target": "mec/a", "basis": "load", "confidence": 0.75}
    script(bedrock, {"body": text}, {"body": tool_use(good)})
    thought = await nova.think(routing.question(weighing()))
    assert (dict(thought.values), thought.input_tokens) == (good, 909)


async def test_a_model_may_look_before_it_answers(bedrock: StandIns, nova: NovaThinker) -> None:
    figures = Look(name="state_of_targets", meaning="Health and load.", text='{"targets":[]}')
    prices = Look(name="prices", meaning="Prices.", text='{"mec/a":"SEEN-HERE"}')
    question = asked("resource", (figures, prices), ("mec/a",))
    good = {"target": "mec/a", "state": "slow", "proposal": "probe", "confidence": 0.5}
    script(
        bedrock,
        {"body": tool_use({"anything": "ignored"}, name="prices")},
        {"body": tool_use(good, name="ResourceFinding")},
        model=LITE,
    )
    thought = await nova.think(question)
    assert (dict(thought.values), thought.input_tokens) == (good, 1800)
    last = json.loads(bedrock.seen(bedrock.bedrock_url)["last"][-1]["body"])
    assert "SEEN-HERE" in json.dumps(last["messages"])
    offered = [tool["toolSpec"]["name"] for tool in last["toolConfig"]["tools"]]
    assert sorted(offered) == ["ResourceFinding", "prices"]


async def test_a_model_that_only_looks_is_stopped(bedrock: StandIns, nova: NovaThinker) -> None:
    figures = Look(name="state_of_targets", meaning="Health and load.", text='{"targets":[]}')
    prices = Look(name="prices", meaning="Prices.", text="{}")
    script(bedrock, {"body": tool_use({}, name="prices"), "repeat": 0}, model=LITE)
    question = asked("resource", (figures, prices), ("mec/a",))
    with pytest.raises(NotTakenError):
        await nova.think(question)
    assert bedrock.seen(bedrock.bedrock_url)["requests"] <= question.turns


async def test_a_model_that_hangs_costs_the_budget_alone(bedrock: StandIns, nova: NovaThinker) -> None:
    await nova.think(routing.question(weighing()))
    script(bedrock, {"delay_ms": 4000.0, "repeat": 0})
    fast = weighing(rules=policy({"router": {"simple": "always", "budget_ms": 120.0}}))
    thinks = deliberator(nova)
    started = time.monotonic()
    assert await thinks.weigh(fast, START) == fast
    assert time.monotonic() - started < 1.5
    await thinks.close()


async def test_an_answer_may_be_read_as_it_comes(bedrock: StandIns, streaming: NovaThinker) -> None:
    question = routing.question(weighing())
    thought = await streaming.think(question)
    assert question.form.checked(thought.values)["target"] in ("cloud/pro", "mec/a")
    assert thought.input_tokens > 300 and thought.output_tokens > 0
    assert bedrock.seen(bedrock.bedrock_url)["last"][0]["path"].endswith("/converse-stream")


@pytest.mark.parametrize(
    "step",
    [
        {"error": "modelStreamErrorException", "error_after": 1},
        {"error": "throttlingException", "error_after": 1},
        {"error": "ThrottlingException", "status": 429},
        {"cut_after": 1},
    ],
)
async def test_a_stream_that_breaks_is_no_answer_and_not_asked_for_again(
    bedrock: StandIns, streaming: NovaThinker, step: dict[str, Any]
) -> None:
    script(bedrock, {**step, "repeat": 0})
    with pytest.raises(StoreError):
        await streaming.think(routing.question(weighing()))
    assert bedrock.seen(bedrock.bedrock_url)["by_model"] == {PRO: 1}


async def test_a_gone_endpoint_is_told_at_once(nowhere: NovaThinker) -> None:
    with pytest.raises(StoreError, match="EndpointConnectionError"):
        await nowhere.think(routing.question(weighing()))
