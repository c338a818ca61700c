"""The ledger is exact when fifty threads spend at once, and calls to AWS are bounded."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from router_core.adapters.aws.client import AwsThreads
from router_core.adapters.dynamodb.ledger import DynamoLedger
from router_core.adapters.dynamodb.state import DynamoStateStore
from router_core.errors import StoreError
from tests.localmoto import Clients, state_table

DAY = "2026-11-21"
THREADS = 50


def test_fifty_threads_never_pass_the_limit_and_the_sum_is_exact(aws: Clients) -> None:
    dynamodb = aws("dynamodb")
    ledger = DynamoLedger(dynamodb, state_table(dynamodb))
    limit, start = 2_000, threading.Barrier(THREADS)

    async def spend(chance: random.Random) -> int:
        used = 0
        for _ in range(6):
            amount = chance.randint(1, 40)
            if await ledger.reserve("acme", DAY, amount, limit):
                less = chance.randint(0, amount)
                await ledger.settle("acme", DAY, amount, less)
                used += less
        return used

    def one(seed: int) -> int:
        start.wait(30)
        return asyncio.run(spend(random.Random(seed)))

    with ThreadPoolExecutor(THREADS) as pool:
        used = sum(pool.map(one, range(THREADS)))

    async def rest() -> tuple[int, bool, bool]:
        spent = await ledger.spent("acme", DAY)
        full = await ledger.reserve("acme", DAY, limit - spent, limit)
        over = await ledger.reserve("acme", DAY, 1, limit)
        await ledger.close()
        return spent, full, over

    assert 0 < used <= limit
    assert asyncio.run(rest()) == (used, True, False)


async def test_ledger_and_state_share_a_table_and_never_meet(aws: Clients) -> None:
    dynamodb = aws("dynamodb")
    table = state_table(dynamodb)
    ledger, state = DynamoLedger(dynamodb, table), DynamoStateStore(dynamodb, table)
    await ledger.reserve("acme", DAY, 5, 10)
    for key in (f"ledger#{DAY}#acme", f"{DAY}#acme", ""):
        assert await state.get(key) is None
        assert await state.put(key, b"x", expected=0) == 1
    assert await ledger.spent("acme", DAY) == 5
    assert await ledger.spent(f"#{DAY}", "acme") == 0
    with pytest.raises(StoreError, match="bytes at most"):
        await state.get("ü" * 1_001)
    await state.close()
    await ledger.close()


async def test_the_end_is_written_for_dynamodb_to_delete_by(aws: Clients) -> None:
    dynamodb = aws("dynamodb")
    table = state_table(dynamodb)
    state = DynamoStateStore(dynamodb, table)
    await state.put("a", b"1", ttl_s=60.5)
    (item,) = dynamodb.scan(TableName=table)["Items"]
    assert 0 <= int(item["expires"]["N"]) * 1_000 - int(item["until_ms"]["N"]) < 1_000
    await state.close()


async def test_more_waiting_calls_than_allowed_are_refused_at_once() -> None:
    threads, gate = AwsThreads(workers=2, waiting=3), threading.Event()
    running = [asyncio.create_task(threads.run(gate.wait, 20)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="too many"):
        await threads.run(gate.is_set)
    running.pop().cancel()
    gate.set()
    assert await asyncio.gather(*running) == [True] * 4
    assert await threads.run(gate.is_set)
    await threads.close()
    with pytest.raises(StoreError, match="not taken"):
        await threads.run(gate.is_set)
