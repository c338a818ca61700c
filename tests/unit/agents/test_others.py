"""Everybody's estimates stand behind a gateway's own, and a store that is away changes nothing."""

from __future__ import annotations

from agents.others import READ_S, Others
from router_core.adapters.memory.state import MemoryStateStore
from router_core.errors import StoreError
from router_core.learning.estimates import Estimates
from router_core.learning.shared_estimates import SharedEstimates, estimates_key, to_value
from router_core.ports import Versioned
from router_core.resources import TargetSpec
from tests.fakes import FakeClock

SLOW = SharedEstimates(
    estimates=Estimates(ttft_ms=900.0, decode_ms=30.0, samples=500, timed=500), score=0.9, judged=400
)
SPECS = (
    TargetSpec(name="mec/a", tier="mec", kind="openai", model="m", quality_default=0.6),
    TargetSpec(name="mec/b", tier="mec", kind="openai", model="m"),
)


class Away:
    """A state store that cannot be reached."""

    async def get(self, key: str) -> Versioned | None:
        raise StoreError("the state store cannot be reached")

    async def put(
        self, key: str, value: bytes, *, expected: int | None = None, ttl_s: float | None = None
    ) -> int:
        raise StoreError("the state store cannot be reached")

    async def delete(self, key: str) -> None:
        raise StoreError("the state store cannot be reached")


async def _told() -> MemoryStateStore:
    store = MemoryStateStore(clock=FakeClock())
    await store.put(estimates_key("mec/a"), to_value(SLOW))
    return store


async def test_a_gateway_that_saw_nothing_takes_everybody_s_word() -> None:
    others = Others(SPECS, await _told(), FakeClock())
    assert others.behind({}) == {}
    await others.read()
    known = others.behind({})
    assert set(known) == {"mec/a"}
    assert known["mec/a"].ttft_ms == 900.0
    assert 0.0 < known["mec/a"].quality_delta <= 0.3


async def test_what_it_saw_itself_counts_the_more_it_saw() -> None:
    others = Others(SPECS, await _told(), FakeClock())
    await others.read()
    few, many = (
        others.behind({"mec/a": Estimates(ttft_ms=100.0, decode_ms=5.0, samples=n, timed=n)})["mec/a"].ttft_ms
        for n in (1, 1000)
    )
    assert few is not None
    assert many is not None
    assert 100.0 < many < few <= 900.0


async def test_a_target_nobody_tells_of_keeps_its_own() -> None:
    own = {"mec/b": Estimates(ttft_ms=50.0, samples=3, timed=3)}
    others = Others(SPECS, await _told(), FakeClock())
    await others.read()
    assert others.behind(own)["mec/b"] == own["mec/b"]


async def test_a_store_that_is_away_leaves_what_was_known() -> None:
    others = Others(SPECS, Away(), FakeClock())
    await others.read()
    own = {"mec/a": Estimates(ttft_ms=50.0)}
    assert others.behind(own) == own


async def test_the_store_is_asked_once_in_a_while_however_often_a_host_looks() -> None:
    store, clock = await _told(), FakeClock()
    others = Others(SPECS, store, clock)
    await others.read()
    await store.delete(estimates_key("mec/a"))
    clock.now += READ_S - 1.0
    await others.read()
    assert set(others.behind({})) == {"mec/a"}
    clock.now += 1.0
    await others.read()
    assert others.behind({}) == {}
