"""What every state store does: versions that grow, conditional writes that only one of two writers wins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from router_core.errors import StaleStateError, StoreError
from router_core.ports import StateStore, Versioned
from tests.contract.stores.kinds import STATE_STORES, Pass


@pytest.fixture(params=STATE_STORES, ids=lambda subject: subject.__name__)
async def made(request: pytest.FixtureRequest) -> AsyncIterator[tuple[StateStore, Pass]]:
    async with request.param(request) as subject:
        yield subject


async def test_bytes_come_back_with_versions_that_grow_from_one(made: tuple[StateStore, Pass]) -> None:
    store, _ = made
    for version, value in enumerate((b"\x00\xff\n", b"", b"x" * 10_000), start=1):
        assert await store.put("tenant:ü\n", value) == version
        assert await store.get("tenant:ü\n") == Versioned(value=value, version=version)


async def test_an_unknown_key_is_none_and_deleting_it_no_error(made: tuple[StateStore, Pass]) -> None:
    store, _ = made
    await store.delete("nothing")
    assert await store.get("nothing") is None


async def test_a_conditional_write_needs_the_version_it_names(made: tuple[StateStore, Pass]) -> None:
    store, _ = made
    with pytest.raises(StaleStateError):
        await store.put("a", b"1", expected=1)
    assert await store.put("a", b"1", expected=0) == 1
    for expected in (0, 2):
        with pytest.raises(StaleStateError):
            await store.put("a", b"wrong", expected=expected)
    assert await store.put("a", b"2", expected=1) == 2
    assert await store.get("a") == Versioned(value=b"2", version=2)


async def test_of_many_writers_with_one_version_exactly_one_wins(made: tuple[StateStore, Pass]) -> None:
    store, _ = made
    await store.put("a", b"0")
    tries = (store.put("a", b"%d" % n, expected=1) for n in range(50))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(result == 2 for result in results) == 1
    assert sum(isinstance(result, StaleStateError) for result in results) == 49


async def test_counting_by_reading_and_conditional_writing_loses_nothing(
    made: tuple[StateStore, Pass],
) -> None:
    store, _ = made
    await store.put("n", b"0")

    async def count() -> None:
        while True:
            seen = await store.get("n")
            assert seen is not None
            try:
                await store.put("n", b"%d" % (int(seen.value) + 1), expected=seen.version)
                return
            except StaleStateError:
                continue

    await asyncio.gather(*(count() for _ in range(20)))
    assert await store.get("n") == Versioned(value=b"20", version=21)


async def test_a_deleted_key_begins_again(made: tuple[StateStore, Pass]) -> None:
    store, _ = made
    await store.put("a", b"1")
    await store.put("a", b"2")
    await store.delete("a")
    assert await store.get("a") is None
    assert await store.put("a", b"3", expected=0) == 1


async def test_a_value_is_gone_after_its_time_and_its_place_is_free(made: tuple[StateStore, Pass]) -> None:
    store, pass_time = made
    await store.put("a", b"1", ttl_s=100.0)
    await pass_time(50.0)
    assert await store.get("a") == Versioned(value=b"1", version=1)
    await pass_time(51.0)
    assert await store.get("a") is None
    assert await store.put("a", b"2", expected=0) == 1


async def test_the_last_write_says_how_long_a_value_stays(made: tuple[StateStore, Pass]) -> None:
    store, pass_time = made
    await store.put("longer", b"1", ttl_s=10.0)
    await store.put("longer", b"2", ttl_s=1_000.0)
    await store.put("for ever", b"1", ttl_s=10.0)
    await store.put("for ever", b"2")
    await store.put("shorter", b"1")
    await store.put("shorter", b"2", ttl_s=10.0)
    await pass_time(11.0)
    found = [await store.get(key) for key in ("longer", "for ever", "shorter")]
    assert [None if one is None else one.value for one in found] == [b"2", b"2", None]


async def test_what_is_not_small_is_refused(made: tuple[StateStore, Pass]) -> None:
    store, _ = made
    with pytest.raises(StoreError):
        await store.put("a", b"x" * (2**20 + 1))
    assert await store.get("a") is None
