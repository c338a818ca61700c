"""What every response cache does: gives back the bytes that were put, for as long as was said, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from router_core.adapters.memory.response_store import ENTRY_OVERHEAD_BYTES, MemoryResponseStore
from router_core.ports import ResponseStore
from tests.contract.stores.kinds import RESPONSE_STORES, Pass, SetClock


@pytest.fixture(params=RESPONSE_STORES, ids=lambda subject: subject.__name__)
async def made(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ResponseStore, Pass]]:
    async with request.param(request) as subject:
        yield subject


async def test_bytes_come_back_as_they_were_put(made: tuple[ResponseStore, Pass]) -> None:
    store, _ = made
    for key, value in (("a", b"\x00\xff\n"), ("tenant:ü\n", b""), ("b", b"x" * 10_000)):
        await store.put(key, value, 60.0)
        assert await store.get(key) == value


async def test_an_unknown_key_is_a_miss_and_evicting_it_no_error(made: tuple[ResponseStore, Pass]) -> None:
    store, _ = made
    await store.evict("nothing")
    assert await store.get("nothing") is None


async def test_putting_again_replaces_value_and_time_to_live(made: tuple[ResponseStore, Pass]) -> None:
    store, pass_time = made
    await store.put("a", b"1", 1.0)
    await store.put("a", b"2", 60.0)
    await pass_time(1.5)
    assert await store.get("a") == b"2"


async def test_an_evicted_key_is_a_miss(made: tuple[ResponseStore, Pass]) -> None:
    store, _ = made
    await store.put("a", b"1", 60.0)
    await store.put("b", b"2", 60.0)
    await store.evict("a")
    assert (await store.get("a"), await store.get("b")) == (None, b"2")


async def test_an_answer_is_gone_after_its_time_to_live_and_reading_does_not_prolong_it(
    made: tuple[ResponseStore, Pass],
) -> None:
    store, pass_time = made
    await store.put("a", b"1", 2.0)
    await pass_time(1.0)
    assert await store.get("a") == b"1"
    await pass_time(1.001)
    assert await store.get("a") is None


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, float("nan")])
async def test_no_time_to_live_keeps_nothing_and_forgets_the_old_answer(
    made: tuple[ResponseStore, Pass], ttl_s: float
) -> None:
    store, _ = made
    await store.put("a", b"old", 60.0)
    await store.put("a", b"new", ttl_s)
    assert await store.get("a") is None


async def test_in_memory_the_longest_unused_goes_first() -> None:
    store = MemoryResponseStore(max_bytes=1_000_000, max_entries=3, clock=SetClock())
    for key in "abc":
        await store.put(key, b"x", 60.0)
    await store.get("a")
    await store.put("d", b"x", 60.0)
    assert [await store.get(key) for key in "abcd"] == [b"x", None, b"x", b"x"]


async def test_in_memory_the_bytes_stay_bounded_and_are_counted_to_the_last() -> None:
    clock = SetClock()
    store = MemoryResponseStore(max_bytes=20_000, max_entries=1_000, clock=clock)
    for n in range(500):
        await store.put(f"k{n % 70}", b"x" * (n * 37 % 3_000), 5.0 + n % 7)
        await clock.advance(0.1)
        await store.get(f"k{n * 13 % 70}")
        assert store.size_bytes <= 20_000
    for n in range(70):
        await store.evict(f"k{n}")
    assert store.size_bytes == 0


async def test_in_memory_an_answer_above_the_whole_bound_drives_nothing_out() -> None:
    store = MemoryResponseStore(max_bytes=2 * ENTRY_OVERHEAD_BYTES, max_entries=10, clock=SetClock())
    await store.put("a", b"1", 60.0)
    await store.put("b", b"x" * 10_000, 60.0)
    assert (await store.get("a"), await store.get("b")) == (b"1", None)
