"""The thread that owns a model: order, refusal when full, errors, cancellation, closing."""

from __future__ import annotations

import asyncio
import threading

import pytest

from edge_runtime.engines.owner import SHORT_CHARS, OwnerBusyError, OwnerClosedError, OwnerThread, PromptOwner


async def test_calls_run_in_order_on_one_other_thread() -> None:
    owner = OwnerThread()
    seen: list[tuple[int, int]] = []

    def note(number: int) -> int:
        seen.append((number, threading.get_ident()))
        return number * 2

    results = await asyncio.gather(*(owner.run(note, number) for number in range(40)))
    owner.close()
    assert results == [number * 2 for number in range(40)]
    assert [number for number, _ in seen] == list(range(40))
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


async def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    owner = OwnerThread(limit=2)
    gate = threading.Event()
    waiting = [asyncio.create_task(owner.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OwnerBusyError):
        await owner.run(int)
    gate.set()
    await asyncio.gather(*waiting)
    assert owner.waiting == 0
    assert await owner.run(int, "7") == 7
    owner.close()


async def test_an_error_reaches_its_own_caller_only() -> None:
    owner = OwnerThread()
    bad, good = await asyncio.gather(owner.run(int, "x"), owner.run(int, "1"), return_exceptions=True)
    owner.close()
    assert isinstance(bad, ValueError)
    assert good == 1


async def test_a_cancelled_caller_that_still_waits_is_skipped() -> None:
    owner = OwnerThread()
    gate, ran = threading.Event(), threading.Event()
    first = asyncio.create_task(owner.run(gate.wait))
    second = asyncio.create_task(owner.run(ran.set))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    await first
    assert await owner.run(ran.is_set) is False
    owner.close()


async def test_close_fails_what_waits_and_refuses_what_comes() -> None:
    owner = OwnerThread()
    started, gate = threading.Event(), threading.Event()

    def hold() -> str:
        started.set()
        gate.wait()
        return "done"

    running = asyncio.create_task(owner.run(hold))
    late = asyncio.create_task(owner.run(int))
    await asyncio.sleep(0)
    started.wait()
    owner.close(timeout_s=0)
    gate.set()
    assert await running == "done"
    with pytest.raises(OwnerClosedError):
        await late
    with pytest.raises(OwnerClosedError):
        await owner.run(int)


async def test_a_short_text_is_read_where_it_is_asked_for_unless_the_thread_works() -> None:
    owner, here = PromptOwner(), threading.get_ident()
    gate, entered = threading.Event(), threading.Event()

    def where(_: str) -> int:
        return threading.get_ident()

    def hold() -> None:
        entered.set()
        gate.wait()

    assert await owner.run(where, "lights off") == here
    assert await owner.run(where, "x" * (SHORT_CHARS + 1)) != here
    busy = asyncio.create_task(owner.run(hold))
    await asyncio.to_thread(entered.wait)
    behind = asyncio.create_task(owner.run(where, "lights off"))
    await asyncio.sleep(0)
    gate.set()
    await busy
    assert await behind != here
    owner.close()
    with pytest.raises(OwnerClosedError):
        await owner.run(where, "lights off")
