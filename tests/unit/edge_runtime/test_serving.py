"""A version on trial: it answers for its devices, is replaced when it fails, and goes when it errs or is slow."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.library.foresight import Foresight
from edge_runtime.library.residence import Residence
from edge_runtime.library.serving import LibraryModels
from edge_runtime.library.trial import CALLS, Shown, fault
from edge_runtime.library.versions import Conditions, Versions
from edge_runtime.protocol.envelope import Trust
from router_core.errors import RefusedError, UnavailableError
from router_core.execution import Choice, ModelAnswer, Usage
from router_core.inference import Params
from router_core.ports import ModelCall
from tests.unit.edge_runtime.model_server import PUBLIC, model_files, serving

CALL = ModelCall(
    request_id="r", model="m", messages=(), params=Params(), task="command", timeout_s=1.0
)  # fmt: skip


class Owner:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Speaking:
    """Answers with its version, or fails."""

    def __init__(self, version: str, failing: bool) -> None:
        self._version, self._failing = version, failing
        self.calls = 0

    async def generate(self, call: ModelCall) -> ModelAnswer:
        self.calls += 1
        if self._failing:
            raise UnavailableError("broken")
        return ModelAnswer(choices=(Choice(text=self._version),), usage=Usage())


@pytest.fixture
def versions(tmp_path: Path) -> Iterator[Versions]:
    with serving() as site:
        library = Versions(tmp_path, Trust([PUBLIC]))
        for version in ("1", "2"):
            library.pull(site.publish("m", version, model_files(500)), Conditions())
        library.activate("m", "1")
        yield library


class House:
    """A library of fakes; `broken` versions fail."""

    def __init__(self, versions: Versions, broken: tuple[str, ...] = (), **options: Any) -> None:
        self.opened: dict[str, tuple[Speaking, Owner]] = {}
        self._broken = broken
        self.residence = Residence(opened=self._open, **options)
        self.models = LibraryModels(versions, self.residence, "device-1")

    def _open(self, folder: Path, threads: int) -> tuple[Speaking, Owner]:
        self.opened[folder.name] = Speaking(folder.name, folder.name in self._broken), Owner()
        return self.opened[folder.name]

    async def ask(self) -> str | None:
        return (await self.models.generate("m", CALL)).choices[0].text


async def test_the_candidate_answers_where_it_is_tried(versions: Versions) -> None:
    versions.try_out("m", "2", share=1.0)
    assert await House(versions).ask() == "2"


async def test_a_broken_candidate_fails_no_request_and_is_rolled_back(versions: Versions) -> None:
    versions.try_out("m", "2", share=1.0)
    house = House(versions, broken=("2",))
    assert [await house.ask() for _ in range(6)] == ["1"] * 6
    assert versions.standing("m").candidate is None
    assert versions.standing("m").failed == ("2",)
    assert house.opened["2"][0].calls == 3


async def test_a_shadow_is_never_heard_and_still_judged(versions: Versions) -> None:
    versions.try_out("m", "2", share=1.0, mode="shadow")
    house = House(versions, broken=("2",))
    for _ in range(8):
        assert await house.ask() == "1"
        await house.models.shadows_done()
    assert versions.standing("m").failed == ("2",)


def test_a_slower_version_goes_and_a_refusing_one_stays() -> None:
    slow, usual = Shown(), Shown()
    for _ in range(CALLS):
        slow.add(16.0, failed=False)
        usual.add(10.0, failed=False)
    assert fault(slow, usual) is not None
    assert fault(usual, usual) is None
    assert fault(Shown(calls=2, errors=2), usual) is None


async def test_memory_is_kept_to_its_budget_and_idle_models_are_closed(versions: Versions) -> None:
    now = [0.0]
    house = House(versions, budget_mb=100, idle_s=60.0, now_s=lambda: now[0])
    await house.ask()
    one, two = versions.folder("m", "1"), versions.folder("m", "2")
    assert (house.residence.warmth(one), house.residence.warmth(two)) == ("hot", "cold")
    async with house.residence.use(two, 64):  # 64 + 64 MB are above 100
        assert (house.residence.warmth(one), house.residence.warmth(two)) == ("warm", "hot")
        now[0] = 1_000.0
        house.residence.rest()
        assert house.residence.warmth(two) == "hot"  # it is at work
    now[0] = 2_000.0
    house.residence.rest()
    assert house.residence.warmth(two) == "warm"
    assert all(owner.closed for _, owner in house.opened.values())


async def test_a_model_that_is_not_here_refuses(tmp_path: Path) -> None:
    house = House(Versions(tmp_path, Trust([PUBLIC])))
    with pytest.raises(RefusedError):
        await house.ask()
    assert house.models.names() == ()


DAY_S = 86_400.0
MONDAY_S = 4 * DAY_S
"""1970-01-05, midnight."""


def habit(file: Path | None = None) -> Foresight:
    """Used at nine on every working day of three weeks, and once on a Sunday."""
    foresight = Foresight(file, time.gmtime)
    for day in range(21):
        if day % 7 < 5:
            foresight.note("m", MONDAY_S + day * DAY_S + 9.2 * 3600)
            foresight.note("m", MONDAY_S + day * DAY_S + 9.7 * 3600)
    foresight.note("m", MONDAY_S + 20 * DAY_S + 15 * 3600)
    return foresight


def test_a_habit_is_an_hour_of_the_days_of_its_kind() -> None:
    foresight, monday = habit(), MONDAY_S + 21 * DAY_S
    assert foresight.chance("m", monday + 8.9 * 3600) > 0.8  # ten minutes ahead
    assert foresight.chance("m", monday + 7 * 3600) == 0.0
    assert foresight.chance("m", monday + 5 * DAY_S + 9 * 3600) == 0.0
    assert 0.0 < foresight.chance("m", monday + 6 * DAY_S + 15 * 3600) < 0.5
    assert foresight.chance("other", monday + 9 * 3600) == 0.0
    # Three weeks without it, and it is none any more.
    assert foresight.chance("m", monday + 28 * DAY_S + 9 * 3600) < 0.5


def test_one_day_is_no_habit() -> None:
    foresight = Foresight(None, time.gmtime)
    foresight.note("m", MONDAY_S + 9 * 3600)
    assert foresight.chance("m", MONDAY_S + DAY_S + 9 * 3600) <= 0.5


def test_habits_outlive_a_start_and_a_broken_file_says_nothing(tmp_path: Path) -> None:
    file, monday = tmp_path / "use.json", MONDAY_S + 21 * DAY_S + 9 * 3600
    told = habit(file).chance("m", monday)
    assert Foresight(file, time.gmtime).chance("m", monday) == pytest.approx(told, abs=1e-3)
    for text in (
        "",
        "[]",
        '{"since": 1, "used": [[1]]}',
        json.dumps({"since": 1, "used": [["m", 0, 99, 1, 1.0]]}),
    ):
        file.write_text(text)
        assert Foresight(file, time.gmtime).chance("m", monday) == 0.0


async def test_what_is_usual_now_is_opened_ahead_where_there_is_room(versions: Versions) -> None:
    now = [0.0]
    for budget_mb, warmth in ((100, "hot"), (10, "cold")):
        now[0] = MONDAY_S + 21 * DAY_S + 8.9 * 3600
        house = House(versions, budget_mb=budget_mb, idle_s=60.0, now_s=lambda: now[0])
        house.models = LibraryModels(versions, house.residence, "device-1", habit(), lambda: now[0])
        await house.models.prepare()
        folder = versions.folder("m", "1")
        assert house.residence.warmth(folder) == warmth
        now[0] += 1_000.0
        house.residence.rest()
        assert house.residence.warmth(folder) == warmth  # expected, so it is not idle
        now[0] += 4 * 3600.0
        await house.models.prepare()
        house.residence.rest()
        assert house.residence.warmth(folder) != "hot"
        house.models.close()


async def test_an_idle_model_is_closed_without_anybody_asking(versions: Versions) -> None:
    house = House(versions, idle_s=0.02)
    await house.ask()
    folder = versions.folder("m", "1")
    for _ in range(500):
        if house.residence.warmth(folder) == "warm":
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it is still open")
