"""The keeper of models on nodes: what counts as demand, one actor among replicas, and no change when stores are away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from agents.nodes import DemandSink, Kept, NodeKeeper
from router_core.adapters.memory.state import MemoryStateStore
from router_core.errors import StoreError
from router_core.ports import Standing, StateStore, Versioned
from router_core.routing.residency import Bounds
from tests.fakes import FakeClock, FakeEvents, text_answer
from tests.unit.agents.house import MEC, House, ask

TARGET = MEC.name
BOUNDS = Bounds(min_nodes=0, max_nodes=3, requests_per_min=10.0, idle_s=600.0, cooldown_s=60.0)


@dataclass
class FakeFleet:
    """Has at once what is wanted, unless it is told to be away."""

    nodes: int = 0
    away: bool = False
    wants: list[int] = field(default_factory=list)

    async def standing(self) -> Standing:
        if self.away:
            raise StoreError("away")
        return Standing(wanted=self.nodes, running=self.nodes)

    async def want(self, count: int) -> None:
        self.wants.append(count)
        self.nodes = count


@dataclass
class Site:
    """One fleet and one shared state behind as many keepers as are made."""

    clock: FakeClock = field(default_factory=FakeClock)
    fleet: FakeFleet = field(default_factory=FakeFleet)
    events: FakeEvents = field(default_factory=FakeEvents)
    shown: dict[str, str] = field(default_factory=dict)
    state: StateStore | None = None

    def keeper(self) -> tuple[NodeKeeper, DemandSink]:
        self.state = self.state or MemoryStateStore(self.clock)
        demand = DemandSink(self.events, frozenset({TARGET}))
        kept = {TARGET: Kept(bounds=BOUNDS, fleet=self.fleet)}
        return NodeKeeper(kept, demand, self.state, self.clock, self.shown.__setitem__), demand


def decision(chosen: str | None, tier: str | None = None, **rejected: str) -> dict[str, Any]:
    named = {TARGET: rejected["mec"]} if rejected else {}
    return {"kind": "decision", "chosen": chosen, "tier": tier, "rejected": named}


async def test_what_counts_as_demand() -> None:
    _, demand = Site().keeper()
    for record, counts in (
        (decision(TARGET, "mec"), 1),
        (decision("cloud/pro", "cloud", mec="health: down"), 1),
        (decision(None, None, mec="busy: saturation 1.20"), 1),
        (decision("cloud/pro", "cloud", mec="privacy: residency us"), 0),
        (decision("device/intent", "device", mec="health: down"), 0),
        (decision("cloud/pro", "cloud"), 0),
        ({"kind": "outcome", "target": TARGET}, 0),
    ):
        demand.emit(record)
        assert demand.take(TARGET) == counts, record


async def test_a_model_comes_when_asked_for_and_goes_when_not() -> None:
    site = Site()
    keeper, demand = site.keeper()
    await keeper.look()
    assert (site.fleet.wants, site.shown) == ([], {TARGET: "cold"})
    demand.emit(decision("cloud/pro", "cloud", mec="health: down"))
    await keeper.look()
    site.clock.now += 61
    await keeper.look()
    assert (site.fleet.wants, site.shown) == ([1], {TARGET: "hot"})
    for _ in range(25):
        demand.emit(decision(TARGET, "mec"))
    await keeper.look()
    assert site.fleet.wants == [1, 3]
    for _ in range(12):
        site.clock.now += 61
        await keeper.look()
    assert site.fleet.wants == [1, 3, 2, 1, 0]
    changes = [(event["action"], event["before"], event["nodes"]) for event in site.events.of("nodes")]
    assert changes == [("deploy", 0, 1), ("scale", 1, 3), ("scale", 3, 2), ("scale", 2, 1), ("retire", 1, 0)]


async def test_of_many_replicas_one_acts() -> None:
    site = Site()
    pairs = [site.keeper() for _ in range(8)]
    for _, demand in pairs:
        demand.emit(decision("cloud/pro", "cloud", mec="health: down"))
    for _ in range(8):
        await asyncio.gather(*(keeper.look() for keeper, _ in pairs))
    assert site.fleet.wants == [1]


@dataclass
class Late:
    """A state in which, between the first read and the write, another replica wrote."""

    behind: StateStore
    hurried: bool = False

    async def get(self, key: str) -> Versioned | None:
        found = await self.behind.get(key)
        if not self.hurried:
            self.hurried = True
            await self.behind.put(key, b"broken", expected=0 if found is None else found.version)
        return found

    async def put(
        self, key: str, value: bytes, *, expected: int | None = None, ttl_s: float | None = None
    ) -> int:
        return await self.behind.put(key, value, expected=expected, ttl_s=ttl_s)

    async def delete(self, key: str) -> None:
        await self.behind.delete(key)


async def test_the_demand_that_could_not_be_written_is_not_lost() -> None:
    """Nor does a history that nobody can read stop anything."""
    site = Site()
    site.state = Late(MemoryStateStore(site.clock))
    keeper, demand = site.keeper()
    for _ in range(15):
        demand.emit(decision(TARGET, "mec"))
    await keeper.look()
    assert site.fleet.wants == []
    await keeper.look()
    assert site.fleet.wants == [2]


async def test_a_fleet_that_is_away_is_left_alone() -> None:
    site = Site()
    keeper, demand = site.keeper()
    demand.emit(decision(TARGET, "mec"))
    site.fleet.away = True
    await keeper.look()
    site.fleet.away = False
    await keeper.look()
    assert site.fleet.wants == [1]


async def test_operators_see_how_the_model_stands() -> None:
    router = House().build(mec=[text_answer("fine")])
    router.place(TARGET, "starting")
    await router.look()
    await router.answer(ask())
    views = {view.name: view.residency for view in router.targets()}
    assert views == {"device/intent": "hot", TARGET: "starting", "cloud/pro": "hot"}
