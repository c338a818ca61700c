"""Answers that are checked before they are returned: kept, followed by a better target's, or given for want of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from router_core.errors import UnavailableError
from router_core.execution import Choice, Chunk, ModelAnswer, Usage
from router_core.inference import InferenceResponse, Opened, Params, Preferences, Privacy
from router_core.learning.verification import Group, Keeping
from router_core.policy.parse import from_document
from router_core.resources import TargetSpec
from tests.fakes import text_answer
from tests.unit.agents.house import CLOUD, MEC, House, ask

SMALL = TargetSpec(
    name="mec/small", tier="mec", kind="openai", model="gemma", groups=("eu",), quality_default=0.6, continues=True
)  # fmt: skip
WORSE_MEC = replace(MEC, quality_default=0.7, capability=0.9)
BETTER = replace(CLOUD, quality_default=0.95)
SPECS = (WORSE_MEC, SMALL, BETTER)


def house(*checks: str, keep_above: float | None = 0.7, **more: Any) -> House:
    verification = {"checks": list(checks), "keep_above": keep_above, **more}
    document = {
        "retry": {"base_ms": 1, "cap_ms": 2},
        "verification": verification,
        "objectives": {"balanced": {"cost": 1.0, "quality": 0.001}},
        "classes": {"complex": {"optimize": "balanced"}},
    }
    return House(specs=SPECS, policy=from_document(document))


def say(built: House, **by_target: Any) -> Any:
    """The router with scripts by target name's last part."""
    router = built.build()
    for name, model in built.models.items():
        script = by_target.get(name.split("/")[1])
        if script is not None:
            model.script = script
    return router


def outcomes(response: InferenceResponse) -> list[tuple[str, str]]:
    return [(attempt.target, attempt.outcome) for attempt in response.attempts]


QUESTION = ask("how many minutes are six hours and forty two minutes")


async def test_an_answer_that_a_second_model_agrees_with_is_kept() -> None:
    built = house("form", "second")
    response = await say(
        built, a=[text_answer("The answer is 402.")], small=[text_answer("402")], pro=[text_answer("no")]
    ).answer(QUESTION)
    assert response.output is not None and response.output.first.text == "The answer is 402."
    assert outcomes(response) == [("mec/a", "ok"), ("mec/small", "check")]
    assert built.models["cloud/pro"].calls == []


async def test_an_answer_that_a_second_model_contradicts_is_followed_by_a_better_target() -> None:
    built = house("form", "second")
    router = say(
        built,
        a=[text_answer("The answer is 42.")],
        small=[text_answer("402")],
        pro=[text_answer("It is 402.")],
    )
    response = await router.answer(QUESTION)
    assert response.served.target == "cloud/pro"
    assert outcomes(response) == [("mec/a", "unverified"), ("mec/small", "check"), ("cloud/pro", "ok")]
    assert response.cost_usd == pytest.approx(sum(attempt.cost_usd for attempt in response.attempts))
    assert response.cost_usd > 0.0
    [outcome] = built.events.of("outcome")
    [check] = outcome["checks"]
    assert (check["target"], check["kept"], len(check["features"])) == ("mec/a", False, 12)
    seen = router.snapshot()
    assert (seen.checks, seen.fallbacks) == ({("mec/a", "unverified"): 1}, {("mec/a", "cloud/pro"): 1})


async def test_nothing_is_asked_that_could_not_change_the_outcome() -> None:
    """A malformed answer is not worth a second opinion."""
    built = house("form", "second", "sample")
    response = await say(built, a=[text_answer("")]).answer(QUESTION)
    assert outcomes(response) == [("mec/a", "unverified"), ("cloud/pro", "ok")]


async def test_a_second_sample_is_drawn_warm_and_billed() -> None:
    built = house("sample")
    await say(built, a=[text_answer("= 42"), text_answer("= 43")]).answer(QUESTION)
    first, second = built.models["mec/a"].calls
    assert (first.params.temperature, second.params.temperature) == (None, 0.8)


async def test_a_verifier_is_the_target_that_would_follow() -> None:
    built = house("verifier")
    response = await say(built, a=[text_answer("It is 42.")], pro=[text_answer("right")]).answer(QUESTION)
    assert outcomes(response) == [("mec/a", "ok"), ("cloud/pro", "check")]
    [asked] = built.models["cloud/pro"].calls
    assert asked.params.max_tokens is not None and asked.params.max_tokens < 10


async def test_log_probabilities_are_asked_for_and_not_passed_on() -> None:
    built = house("logprobs")
    unsure = Choice(text="maybe 42", logprobs={"content": [{"token": "42", "logprob": -3.0}]})
    answer = ModelAnswer(choices=(unsure,), usage=Usage(prompt_tokens=5, completion_tokens=3))
    response = await say(built, a=[answer]).answer(QUESTION)
    assert built.models["mec/a"].calls[0].params.extra == {"logprobs": True}
    assert outcomes(response)[0] == ("mec/a", "unverified")
    kept = await say(house("logprobs", keep_above=0.01), a=[answer]).answer(QUESTION)
    assert kept.output is not None and kept.output.first.logprobs is None
    wanted = replace(QUESTION, params=Params(extra={"logprobs": True}))
    passed = await say(house("logprobs", keep_above=0.01), a=[answer]).answer(wanted)
    assert passed.output is not None and passed.output.first.logprobs is not None


async def test_an_answer_is_given_where_no_better_one_comes() -> None:
    """A check never turns an answer into an error; but such an answer is not stored."""
    built = house("form", "second")
    wrong = replace(QUESTION, params=Params(temperature=0.0))
    router = say(built, a=[text_answer("= 1")], small=[text_answer("= 2")], pro=[UnavailableError("down")])
    response = await router.answer(wrong)
    assert response.output is not None and response.output.first.text == "= 1"
    assert response.status == "completed" and response.served.target == "mec/a"
    assert built.responses.entries == {}


async def test_only_a_better_target_follows() -> None:
    """Not the small one, whatever is left."""
    built = house("form", keep_above=1.0)
    response = await say(built, pro=[UnavailableError("down")]).answer(QUESTION)
    assert "mec/small" not in {attempt.target for attempt in response.attempts}


@pytest.mark.parametrize(
    "changes",
    [
        {"preferences": Preferences(fallback=False)},
        {"preferences": Preferences(tiers=("mec",), target="mec/a")},
        {"params": Params(extra={"n": 2})},
    ],
)
async def test_nothing_is_checked_that_could_not_be_followed(changes: dict[str, Any]) -> None:
    built = house("form", "second", keep_above=1.0)
    response = await say(built).answer(replace(QUESTION, **changes))
    assert outcomes(response) == [("mec/a", "ok")]


async def test_a_restricted_answer_is_never_shown_to_the_cloud() -> None:
    built = house("form", "second", "verifier", "sample", keep_above=1.0)
    response = await say(built).answer(replace(QUESTION, privacy=Privacy(level="restricted")))
    assert built.models["cloud/pro"].calls == []
    assert response.output is not None


async def test_checks_stay_within_the_budget() -> None:
    """What is left after a check must pay for the target that would follow, whatever it writes."""
    built = house("form", "verifier", keep_above=1.0)
    most = BETTER.cost_usd(40, 64) * 1.2
    request = replace(QUESTION, preferences=Preferences(max_cost_usd=most), params=Params(max_tokens=64))
    response = await say(
        built, pro=[text_answer("sure", Usage(prompt_tokens=20, completion_tokens=64))]
    ).answer(request)
    assert response.cost_usd <= most


async def test_an_audited_answer_is_kept_and_all_is_asked_of_it() -> None:
    built = house("form", "second", audit=1.0, keep_above=None)
    response = await say(built, a=[text_answer("= 1")], small=[text_answer("= 2")]).answer(QUESTION)
    assert outcomes(response) == [("mec/a", "ok"), ("mec/small", "check")]
    assert built.events.of("outcome")[0]["checks"][0]["audited"] is True


async def test_a_stream_that_is_checked_comes_in_one_piece() -> None:
    built = house("form", "second")
    router = say(built, a=[text_answer("= 1")], small=[text_answer("= 2")], pro=[text_answer("= 2")])
    events = [event async for event in router.stream(replace(QUESTION, stream=True))]
    opened, text, end, response = events
    assert isinstance(opened, Opened) and opened.served.target == "cloud/pro"
    assert (
        isinstance(text, Chunk)
        and isinstance(end, Chunk)
        and (text.text, end.finish_reason) == ("= 2", "stop")
    )
    assert isinstance(response, InferenceResponse)


async def test_a_tier_that_is_not_checked_streams_as_ever() -> None:
    built = house("form", tiers=["device"])
    router = say(built, a=[[Chunk(text="a"), Chunk(text="b"), Chunk(finish_reason="stop")]])
    events = [event async for event in router.stream(replace(QUESTION, stream=True))]
    assert [event.text for event in events if isinstance(event, Chunk)] == ["a", "b", ""]


async def test_fitted_weights_decide_once_they_are_there() -> None:
    """Where a fit says that answers are as good as certain, they are kept on sight."""
    sure = Keeping(groups={"mec/a": Group(weights=(9.0, *[0.0] * 11), bounds=((0.05, 0.9),), judged=500)})
    built = house("form", "second", keep_above=None)
    built.keeping = lambda: sure
    response = await say(built).answer(QUESTION)
    assert outcomes(response) == [("mec/a", "ok")]
