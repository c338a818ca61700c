"""One request through all agents: where it goes, what happens when a target fails, what is recorded."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from router_core.errors import (
    AllTargetsFailedError,
    DeadlineError,
    NoCapacityError,
    NoPermittedTargetError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)
from router_core.execution import DeviceOutcome
from router_core.inference import Caller, Device, EmbedRequest, Params, Preferences, Privacy
from router_core.routing.replay import replay, same
from tests.fakes import text_answer
from tests.unit.agents.house import House, ask

COMMAND = "set a timer for 5 minutes"


async def test_a_command_stays_on_the_device() -> None:
    """A simple command is answered by the device tier, and the answer names all targets."""
    house = House()
    response = await house.build().answer(ask(COMMAND))
    assert (response.served.tier, response.decision.request_class) == ("device", "simple")
    assert set(response.decision.scores) | set(response.decision.rejected) == {
        "device/intent",
        "mec/a",
        "cloud/pro",
    }


async def test_a_chat_never_reaches_a_model_that_cannot_chat() -> None:
    """The device's command model is removed for a chat, with the reason."""
    response = await House().build().answer(ask())
    assert response.decision.rejected["device/intent"] == "task: chat is not served"


@pytest.mark.parametrize("error", [UnavailableError("down"), ThrottledError("slow down"), RefusedError("no")])
async def test_a_failed_target_is_followed_by_the_next(error: Exception) -> None:
    """Whatever way the first fails, the next permitted one answers; both attempts are told."""
    house = House()
    response = await house.build(mec=[error]).answer(ask())
    assert response.decision.target == "mec/a"
    assert response.served.target == "cloud/pro"
    assert [a.target for a in response.attempts] == ["mec/a", "cloud/pro"]
    assert response.attempts[0].outcome != "ok"


async def test_a_defect_in_an_adapter_costs_an_attempt_only() -> None:
    """An exception that is no target error is contained."""
    response = await House().build(mec=[KeyError("bug")]).answer(ask())
    assert response.served.target == "cloud/pro"


async def test_the_last_target_is_tried_again_after_what_it_asked_for() -> None:
    """With nowhere else to go, a throttled target is asked again once its retry-after has passed."""
    house = House()
    router = house.build(mec=[ThrottledError("wait", retry_after_s=0.01), text_answer("later")])
    response = await router.answer(ask(preferences=Preferences(target="mec/a")))
    assert [a.outcome for a in response.attempts] == ["throttled", "ok"]
    assert response.decision.decided_by == "pinned"


async def test_a_named_target_stands_alone() -> None:
    """A pinned target has no silent replacement, unless the caller asks for one."""
    house = House()
    router = house.build(mec=[UnavailableError("down")])
    with pytest.raises(AllTargetsFailedError) as caught:
        await router.answer(ask(preferences=Preferences(target="mec/a")))
    assert {a.target for a in caught.value.attempts} == {"mec/a"}
    response = (
        await House()
        .build(mec=[UnavailableError("down")])
        .answer(ask(preferences=Preferences(target="mec/a", fallback=True)))
    )
    assert response.served.target == "cloud/pro"


async def test_attempts_are_bounded() -> None:
    """However many targets fail, no more attempts are made than the policy allows."""
    with pytest.raises(AllTargetsFailedError) as caught:
        await House().build(mec=[UnavailableError("x")], cloud=[UnavailableError("y")]).answer(ask())
    assert len(caught.value.attempts) == 4


async def test_no_attempt_starts_after_the_deadline() -> None:
    """Once the deadline has passed, the request ends; the attempts so far are in the error."""
    house = House()
    router = house.build()

    class Slow:
        async def generate(self, call: object) -> object:
            house.clock.now += 4000.0
            raise UnavailableError("late")

    house.models["mec/a"] = Slow()  # type: ignore[assignment]  # a model that takes its time
    with pytest.raises(DeadlineError) as caught:
        await router.answer(ask(preferences=Preferences(max_latency_ms=4000)))
    assert len(caught.value.attempts) == 1


async def test_residency_leaves_only_where_it_holds() -> None:
    """Residency removes targets elsewhere before anything is scored, and fallback cannot bring them back."""
    request = ask(privacy=Privacy(residency="eu"))
    with pytest.raises(AllTargetsFailedError) as caught:
        await House().build(mec=[UnavailableError("down")]).answer(request)
    assert {a.target for a in caught.value.attempts} == {"mec/a"}
    with pytest.raises(NoPermittedTargetError) as refused:
        await House().build().answer(ask(privacy=Privacy(residency="apac")))
    assert refused.value.rejected["cloud/pro"] == "privacy: residency apac"


async def test_busy_and_impossible_are_different() -> None:
    """Draining everything permitted is lack of capacity, not lack of permission."""
    router = House().build()
    router.drain("mec/a", True)
    router.drain("cloud/pro", True)
    with pytest.raises(NoCapacityError):
        await router.answer(ask())
    router.drain("mec/a", False)
    assert (await router.answer(ask())).served.target == "mec/a"


async def test_a_tenant_key_narrows_the_tiers() -> None:
    """What the key does not grant, the body cannot ask for."""
    request = ask(
        caller=Caller(tenant="acme", key_id="k", tiers=("mec",)), preferences=Preferences(tiers=("cloud",))
    )
    with pytest.raises(NoPermittedTargetError):
        await House().build().answer(request)


async def test_equal_requests_share_an_answer_only_within_their_scope() -> None:
    """Temperature 0 is cached per tenant and key; another key, tenant or a restricted request is not served from it."""
    house = House()
    router = house.build()
    cold = Params(temperature=0)
    assert (await router.answer(ask(params=cold))).cache == "miss"
    hit = await router.answer(ask(params=cold))
    assert (hit.cache, hit.decision.decided_by, hit.cost_usd) == ("hit", "cache", 0.0)
    assert hit.output is not None and hit.output.first.text == "fine"
    other = ask(params=cold, caller=Caller(tenant="acme", key_id="k2"))
    foreign = ask(params=cold, caller=Caller(tenant="evil", key_id="k1"))
    restricted = ask(params=cold, privacy=Privacy(level="restricted"))
    outcomes = [(await router.answer(request)).cache for request in (other, foreign, restricted, ask())]
    assert outcomes == ["miss", "miss", "bypass", "bypass"]


async def test_a_device_that_executes_gets_a_plan() -> None:
    """With the model at hand the device is told what to run; without it, the gateway runs it."""
    house = House()
    router = house.build()
    plan = await router.answer(ask(COMMAND, device=Device(executes=True, models=("intent-v1",))))
    assert plan.status == "execute_on_device" and plan.plan is not None and plan.plan.model == "intent-v1"
    assert not house.models["device/intent"].calls
    ran = await router.answer(ask(COMMAND, device=Device(executes=True, models=("other",))))
    assert ran.status == "completed"


async def test_embeddings_never_fall_back() -> None:
    """Vectors come from one model only; when it is away the request fails rather than mixing spaces."""
    house = House()
    router = house.build()
    request = EmbedRequest(
        request_id="e", received_s=0.0, caller=Caller(tenant="acme", key_id="k"), inputs=("a", "bcd")
    )
    response = await router.embed(request)
    assert response.output is not None and response.output.vectors == ((1.0, 1.0), (3.0, 1.0))
    router.drain("device/intent", True)
    with pytest.raises(NoCapacityError):
        await router.embed(request)


async def test_every_decision_on_record_replays_to_the_bit() -> None:
    """Decision, state and policy records, through JSON, give the same decision again."""
    house = House()
    router = house.build()
    await router.answer(ask(COMMAND))
    await router.answer(replace(ask(), request_id="req_2"))
    states = {record["sha256"]: record for record in house.events.of("state")}
    policies = {record["sha256"]: record for record in house.events.of("policy")}
    decisions = house.events.of("decision")
    assert len(decisions) == 2
    for record in decisions:
        stored = json.loads(json.dumps(record))
        state = json.loads(json.dumps(states[stored["state_sha256"]]))
        policy = json.loads(json.dumps(policies[stored["policy_sha256"]]))
        assert same(stored, replay(stored, state, policy))


async def test_records_hold_no_prompt_text() -> None:
    """Neither the question nor the answer is in any record, also when a target fails."""
    house = House()
    router = house.build(mec=[UnavailableError("down")], cloud=[text_answer("the magic word is xyzzy")])
    await router.answer(ask("my password is plugh, what now?"))
    text = json.dumps(house.events.records)
    assert "plugh" not in text and "xyzzy" not in text


async def test_a_caller_who_leaves_is_recorded_and_billed_nothing() -> None:
    """Cancelling closes the attempt, frees the target and leaves a record."""
    house = House()
    router = house.build(mec=[30.0])
    task = asyncio.create_task(router.answer(ask()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (outcome,) = house.events.of("outcome")
    assert (outcome["status"], outcome["attempts"][0]["outcome"]) == ("cancelled", "cancelled")
    assert all(view.inflight == 0 for view in router.targets())


async def test_repeated_failures_open_the_breaker_and_one_trial_closes_it() -> None:
    """After five failures the target is left alone; after the pause one call tries it again."""
    house = House()
    router = house.build(mec=[*[UnavailableError("x")] * 5, text_answer("back")])
    for _ in range(5):
        await router.answer(ask())
    assert (await router.answer(ask())).decision.rejected["mec/a"].startswith("health: breaker open")
    house.clock.now += 6.0
    await router.start()
    await router.close()
    assert (await router.answer(ask(preferences=Preferences(target="mec/a")))).served.target == "mec/a"


async def test_feedback_moves_the_expected_quality() -> None:
    """Bad judgements lower what is expected of a target; the next snapshot shows it."""
    house = House()
    router = house.build()
    before = (await router.explain(ask())).decision.scores["mec/a"]
    for _ in range(30):
        await router.feedback("acme", "r", "mec/a", 0.0)
    await router.outcome(
        "acme", "r", "device/intent", DeviceOutcome(status="completed", latency_ms=5, quality=1.0)
    )
    await router.start()
    await router.close()
    assert (await router.explain(ask())).decision.scores["mec/a"] < before
    assert len(house.events.of("quality")) == 31


async def test_explaining_touches_nothing() -> None:
    """`explain` decides only: no model is called, nothing is recorded."""
    house = House()
    response = await house.build().explain(ask())
    assert response.output is None and response.attempts == ()
    assert not house.events.records and not any(model.calls for model in house.models.values())
