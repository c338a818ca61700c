"""Where a line is answered: in the cheapest tier that may, when it has room; anywhere permitted once the window presses."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agents.resource import TargetView
from gateway.batches.placing import PRESSED_S, Placing
from router_core.errors import AllTargetsFailedError, NoCapacityError, UnavailableError
from router_core.inference import Caller, InferenceRequest, InferenceResponse
from router_core.jobs.batches import Schedule, line_id
from router_core.resources import TargetSpec
from tests.contract.sql.conftest import SetClock
from tests.unit.gateway.scripted import ScriptedRouter, decision

NODE = TargetSpec(name="mec/a", tier="mec", kind="openai", model="m", price_in=0.2, price_out=0.2)
CLOUD = TargetSpec(name="cloud/b", tier="cloud", kind="bedrock", model="n", price_in=0.1, price_out=0.1)
DEAR = TargetSpec(name="cloud/c", tier="cloud", kind="bedrock", model="o", price_in=9.0, price_out=9.0)


class Tiers(ScriptedRouter):
    """Permits what it is told, shows loads, and fails in tiers that are `away`."""

    permitted: tuple[str, ...] = ("mec/a", "cloud/b", "cloud/c")
    rejected: dict[str, str]
    loads: dict[str, float]
    away: tuple[str, ...] = ()

    def prepare(self, **more: Any) -> Tiers:
        self.rejected, self.loads = more.pop("rejected", {}), more.pop("loads", {})
        for name, value in more.items():
            setattr(self, name, value)
        return self

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        found = await super().explain(request)
        self.asked.remove(request)
        scores = dict.fromkeys(self.permitted, 0.5)
        made = replace(decision(request.request_id), scores=scores, rejected=self.rejected)
        return replace(found, decision=made)

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        found = await super().answer(request)
        if request.preferences.tiers[0] in self.away:
            raise AllTargetsFailedError((), UnavailableError("away"))
        return found

    def targets(self) -> tuple[TargetView, ...]:
        return tuple(
            cast(TargetView, SimpleNamespace(name=name, inflight=0, saturation=load, throttled=False))
            for name, load in self.loads.items()
        )


def request(pressed_s: float = 2_000.0) -> InferenceRequest:
    return InferenceRequest(
        request_id="req_1",
        received_s=1.0,
        caller=Caller(tenant="acme", key_id="k"),
        messages=({"role": "user", "content": "hello there"},),
        metadata={PRESSED_S: f"{pressed_s:.0f}"},
    )


def placing(router: Tiers) -> Placing:
    return Placing(router, (NODE, CLOUD, DEAR), SetClock(), idle_below=0.7)


async def asked(router: Tiers, **more: Any) -> list[tuple[str, ...]]:
    await placing(router).answer(request(**more))
    return [one.preferences.tiers for one in router.asked]


async def test_the_cheapest_permitted_tier_is_asked_first_by_its_cheapest_target() -> None:
    assert await asked(Tiers().prepare()) == [("cloud",)]
    assert await asked(Tiers().prepare(permitted=("mec/a", "cloud/c"))) == [("mec",)]


async def test_what_the_filters_removed_is_never_asked_and_what_is_busy_still_counts() -> None:
    residency = {"cloud/b": "privacy: residency eu", "cloud/c": "privacy: residency eu"}
    assert await asked(Tiers().prepare(permitted=("mec/a",), rejected=residency)) == [("mec",)]
    busy = Tiers().prepare(permitted=("mec/a",), rejected={"cloud/b": "busy: 9 wait"}, loads={"cloud/b": 2.0})
    with pytest.raises(NoCapacityError):
        await placing(busy).answer(request())
    assert busy.asked == []


async def test_a_tier_under_load_is_left_to_others_until_the_window_presses() -> None:
    loaded = Tiers().prepare(loads={"cloud/b": 0.8, "cloud/c": 0.9})
    with pytest.raises(NoCapacityError, match="waits"):
        await placing(loaded).answer(request())
    assert await asked(loaded, pressed_s=500.0) == [("cloud",)]
    assert await asked(Tiers().prepare(loads={"cloud/b": 0.8, "cloud/c": 0.1})) == [("cloud",)]


async def test_when_the_cheapest_fails_the_other_permitted_tiers_are_asked_and_no_more() -> None:
    assert await asked(Tiers().prepare(away=("cloud",))) == [("cloud",), ("mec",)]
    alone = Tiers().prepare(permitted=("cloud/b",), away=("cloud",))
    with pytest.raises(AllTargetsFailedError):
        await placing(alone).answer(request())


def test_a_window_presses_when_little_more_time_is_left_than_the_lines_need() -> None:
    schedule = Schedule(running=4, per_line_s=2.0, reserve=3.0)
    assert not schedule.pressed(100, 211.0)
    assert schedule.pressed(100, 209.0)
    assert schedule.pressed(1, 59.0)
    assert schedule.pressed_from_s(100, 1_000.0) == 790.0


def test_a_line_has_one_id_whoever_makes_a_job_of_it() -> None:
    assert line_id("batch_ab", 7) == line_id("batch_ab", 7) == "req_ab_000007"
