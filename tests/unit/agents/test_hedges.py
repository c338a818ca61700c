"""A second target beside a slow first one; time is the loop's own, so that nothing here waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.assembly import Ports, Router, assemble
from router_core.errors import AllTargetsFailedError, DeadlineError, UnavailableError
from router_core.execution import Chunk
from router_core.inference import InferenceRequest, InferenceResponse, Opened, Preferences, Privacy
from router_core.policy.parse import from_document
from router_core.policy.rollout import Rollout
from router_core.resources import TargetSpec
from tests.fakes import FakeEvents, FakeResponses, FixedPolicy
from tests.unit.agents.house import CLOUD, MEC, ask
from tests.unit.agents.slow_models import SlowModel
from tests.unit.agents.virtual_time import VirtualClock, run

FREE = replace(CLOUD, name="cloud/free", model="free", price_in=0.0, price_out=0.0, quality_default=0.5)
OTHER = replace(MEC, name="mec/b", model="gemma", quality_default=0.7, capability=0.2)
SPECS = (MEC, OTHER, CLOUD, FREE)
QUESTION = ask("what is the capital of France", cache_allowed=False)


def site(
    models: dict[str, SlowModel], *, specs: Sequence[TargetSpec] = SPECS, **document: Any
) -> tuple[Router, FakeEvents]:
    """A router over these models, others answer at once."""
    for spec in specs:
        models.setdefault(spec.name, SlowModel())
    events = FakeEvents()
    retry = {"retry": {"base_ms": 1, "cap_ms": 2, "attempts_per_target": 1}}
    router = assemble(
        tuple(specs),
        Ports(
            models=models, embedders={}, probes={}, responses=FakeResponses(), events=events,
            policy=FixedPolicy(Rollout(stable=from_document({**retry, **document}))), clock=VirtualClock(),
        ),
    )  # fmt: skip
    return router, events


LATE = {"classes": ["simple", "complex", "critical", "batch"], "share": 1.0}
AT_ONCE = {"speculative": ["simple", "complex"]}


def test_a_late_first_target_loses_to_the_second_and_is_called_off() -> None:
    models = {"mec/a": SlowModel(after_s=20.0, text="late"), "mec/b": SlowModel(after_s=0.1, text="soon")}

    async def act() -> None:
        router, _ = site(models, hedge=LATE)
        started = asyncio.get_running_loop().time()
        response = await router.answer(QUESTION)
        assert response.output is not None and response.output.first.text == "soon"
        assert {a.target: a.outcome for a in response.attempts} == {"mec/a": "cancelled", "mec/b": "ok"}
        assert asyncio.get_running_loop().time() - started < 10.0
        assert (models["mec/a"].called_off, models["mec/a"].at_work) == (1, 0)
        seen = router.snapshot()
        assert (seen.hedges, seen.fallbacks) == ({("mec/b", "won"): 1}, {})

    run(act())


def test_a_first_target_in_time_has_nobody_beside_it() -> None:
    models: dict[str, SlowModel] = {}

    async def act() -> None:
        router, _ = site(models, hedge=LATE)
        response = await router.answer(QUESTION)
        assert [a.target for a in response.attempts] == ["mec/a"]

    run(act())
    assert models["mec/b"].calls == []


def test_a_speculative_second_starts_at_once_and_the_loser_is_billed() -> None:
    dear = replace(MEC, price_in=1.0, price_out=2.0)
    models = {"mec/a": SlowModel(after_s=3.0), "mec/b": SlowModel(after_s=2.0)}

    async def act() -> None:
        router, _ = site(models, specs=(dear, OTHER), hedge=AT_ONCE)
        response = await router.answer(QUESTION)
        assert response.served.target in models
        lost = next(a for a in response.attempts if a.outcome == "cancelled")
        assert lost.usage.estimated and lost.usage.prompt_tokens > 0
        assert response.cost_usd == pytest.approx(sum(a.cost_usd for a in response.attempts))

    run(act())
    assert len(models["mec/a"].calls) == len(models["mec/b"].calls) == 1


def test_a_failure_of_either_leaves_the_other_at_work() -> None:
    models = {
        "mec/a": SlowModel(after_s=1.0, error=UnavailableError("x")),
        "mec/b": SlowModel(after_s=5.0, text="b"),
    }

    async def act() -> None:
        router, _ = site(models, hedge=AT_ONCE)
        response = await router.answer(QUESTION)
        assert response.output is not None and response.output.first.text == "b"

    run(act())


def test_both_are_never_dearer_than_the_budget() -> None:
    """The second may cost what it may alone, but not beside the first."""
    dear = replace(OTHER, price_in=100.0, price_out=100.0)
    first = replace(MEC, price_in=90.0, price_out=90.0, quality_default=0.95)
    models = {"mec/a": SlowModel(after_s=20.0)}

    async def act() -> None:
        router, _ = site(models, specs=(first, dear), hedge=AT_ONCE)
        bounded = replace(
            QUESTION,
            preferences=Preferences(max_cost_usd=0.015),
            params=replace(QUESTION.params, max_tokens=100),
        )
        response = await router.answer(bounded)
        assert [a.target for a in response.attempts] == ["mec/a"]

    run(act())
    assert models["mec/b"].calls == []


def test_the_share_of_hedged_requests_is_bounded() -> None:
    models = {"mec/a": SlowModel(after_s=20.0), "mec/b": SlowModel(after_s=0.1)}

    async def act() -> None:
        router, _ = site(models, hedge={**LATE, "share": 0.1})
        for number in range(40):
            await router.answer(replace(QUESTION, request_id=f"r{number}"))
        assert sum(router.snapshot().hedges.values()) <= 4

    run(act())


def test_patience_is_learned_from_the_targets_own_answers() -> None:
    """A target that always takes five times what was predicted is not late at four."""
    models = {"mec/a": SlowModel(after_s=0.0)}

    async def act() -> None:
        router, _ = site(models, specs=(MEC, OTHER), hedge={**LATE, "share": 0.05})
        predicted = 0.0
        for number in range(60):
            request = replace(QUESTION, request_id=f"r{number}")
            predicted = (await router.explain(request)).decision.prediction.latency_ms / 1000.0
            models["mec/a"].after_s = 5.0 * predicted
            await router.answer(request)
        before = len(models["mec/b"].calls)
        models["mec/a"].after_s = 4.0 * predicted
        await router.answer(QUESTION)
        assert len(models["mec/b"].calls) == before

    run(act())


@pytest.mark.parametrize("speculative", [True, False])
def test_of_two_streams_the_first_to_begin_is_read_and_the_other_ended(speculative: bool) -> None:
    models = {"mec/a": SlowModel(after_s=20.0, text="late"), "mec/b": SlowModel(after_s=0.1, text="soon")}

    async def act() -> None:
        router, events = site(models, hedge=AT_ONCE if speculative else LATE)
        got = [event async for event in router.stream(replace(QUESTION, stream=True))]
        assert isinstance(got[0], Opened) and got[0].served.target == "mec/b"
        assert [event.text for event in got if isinstance(event, Chunk)] == ["soon", ""]
        assert isinstance(got[-1], InferenceResponse) and got[-1].handoff is None
        [outcome] = events.of("outcome")
        assert {a["target"]: a["outcome"] for a in outcome["attempts"]} == {
            "mec/a": "cancelled",
            "mec/b": "ok",
        }

    run(act())
    assert models["mec/a"].called_off == 1


def test_a_caller_who_goes_away_leaves_nobody_at_work() -> None:
    models = {"mec/a": SlowModel(after_s=20.0), "mec/b": SlowModel(after_s=20.0)}

    async def act() -> None:
        router, events = site(models, hedge=AT_ONCE)
        task = asyncio.create_task(router.answer(QUESTION))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {a["outcome"] for a in events.of("outcome")[0]["attempts"]} == {"cancelled"}

    run(act())
    assert [models[name].at_work for name in ("mec/a", "mec/b")] == [0, 0]


times = st.sampled_from([0.0, 0.3, 1.0, 4.0, 30.0])
model = st.builds(SlowModel, after_s=times, text=st.sampled_from(["= 1", "= 2", ""]),
                  error=st.sampled_from([None, None, UnavailableError("down")]))  # fmt: skip
shapes = st.fixed_dictionaries(
    {
        "verification": st.fixed_dictionaries(
            {"checks": st.lists(st.sampled_from(["form", "sample", "second", "verifier", "logprobs"]), unique=True),
             "keep_above": st.sampled_from([None, 0.0, 0.5, 1.0]), "audit": st.sampled_from([0.0, 0.5])}
        ),
        "hedge": st.sampled_from([{}, LATE, AT_ONCE, {**LATE, **AT_ONCE}]),
    }
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    models=st.fixed_dictionaries({spec.name: model for spec in SPECS}), document=shapes,
    level=st.sampled_from(["public", "restricted"]), stream=st.booleans(),
    deadline_ms=st.sampled_from([None, 2_000.0, 20_000.0]), max_cost=st.sampled_from([None, 0.002]),
)  # fmt: skip
def test_whatever_happens_it_is_one_answer_in_time_from_permitted_targets_within_the_budget(
    models: dict[str, SlowModel], document: dict[str, Any], level: str, stream: bool,
    deadline_ms: float | None, max_cost: float | None,
) -> None:  # fmt: skip
    fresh = {name: replace(one, calls=[]) for name, one in models.items()}
    request = replace(
        QUESTION,
        stream=stream,
        privacy=Privacy(level=level),
        preferences=Preferences(max_latency_ms=deadline_ms, max_cost_usd=max_cost),
        params=replace(QUESTION.params, max_tokens=64),
    )
    run(_one_answer(fresh, document, request))


async def _one_answer(
    models: dict[str, SlowModel], document: dict[str, Any], request: InferenceRequest
) -> None:
    router, events = site(models, **document)
    decision = (await router.explain(request)).decision
    started = asyncio.get_running_loop().time()
    responses: list[InferenceResponse] = []
    try:
        if request.stream:
            got = [event async for event in router.stream(request)]
            responses = [event for event in got if isinstance(event, InferenceResponse)]
            assert sum(isinstance(event, Opened) for event in got) == 1
        else:
            responses = [await router.answer(request)]
    except (AllTargetsFailedError, DeadlineError):
        responses = []
    deadline_s = (request.preferences.max_latency_ms or 60_000.0) / 1000.0
    assert asyncio.get_running_loop().time() - started <= deadline_s + 0.01
    called = {name for name, one in models.items() if one.calls}
    assert called <= {decision.target, *decision.fallbacks}
    assert not any(one.at_work for one in models.values())
    [outcome] = events.of("outcome")
    assert outcome["cost_usd"] <= (request.preferences.max_cost_usd or 1.0)
    for response in responses:
        assert response.served.target in called and response.output is not None
        assert len([a for a in response.attempts if a.outcome == "ok"]) <= 1
        assert response.cost_usd == pytest.approx(sum(a.cost_usd for a in response.attempts))
