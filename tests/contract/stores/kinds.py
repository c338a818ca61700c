"""Every implementation of each store port, as a subject. A new adapter joins a contract by one line here.

A subject is an asynchronous context that gives the adapter, and a way to let time pass: a set clock in memory; for a
server, whatever makes it believe that time went by.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from router_core.adapters.aws.agentcore_memory import AgentCoreStateStore
from router_core.adapters.aws.kinesis_event_sink import KinesisEventSink
from router_core.adapters.dynamodb.ledger import DynamoLedger
from router_core.adapters.dynamodb.state import DynamoStateStore
from router_core.adapters.events.fan_out import FanOutEventSink
from router_core.adapters.events.log import EventLog
from router_core.adapters.events.reader import read
from router_core.adapters.memory.ledger import MemoryLedger
from router_core.adapters.memory.rate_limit import MemoryRateLimiter
from router_core.adapters.memory.response_store import MemoryResponseStore
from router_core.adapters.memory.state import MemoryStateStore
from router_core.adapters.redis.ledger import RedisLedger
from router_core.adapters.redis.rate_limit import RedisRateLimiter
from router_core.adapters.redis.response_store import RedisResponseStore
from router_core.adapters.redis.state import RedisStateStore
from router_core.ports import EventSink, Ledger, RateLimiter, ResponseStore, StateStore
from router_core.reliability.key_limits import KeyLimits
from tests.contract.agentcore.memory_server import MEMORY, connected
from tests.contract.aws.kinesis_faults import FaultyKinesis
from tests.contract.redis.linked import PATIENT_S, linked
from tests.contract.redis.servers import Server
from tests.localmoto import state_table

Pass = Callable[[float], Awaitable[None]]
Limits = Mapping[str, KeyLimits | None]
MakeLimiter = Callable[[Limits], tuple[RateLimiter, Pass]]
MakeLedgers = Callable[[], Ledger]


@dataclass(slots=True)
class SetClock:
    """Clock whose time is what the test says; starts at an odd fraction, as real clocks do."""

    time_s: float = 86_413.377

    def now_s(self) -> float:
        return 1.8e9 + self.time_s

    def monotonic_s(self) -> float:
        return self.time_s

    async def advance(self, seconds: float) -> None:
        self.time_s += seconds


@asynccontextmanager
async def memory_store(_: pytest.FixtureRequest) -> AsyncIterator[tuple[ResponseStore, Pass]]:
    clock = SetClock()
    yield MemoryResponseStore(max_bytes=1_000_000, max_entries=100, clock=clock), clock.advance


@asynccontextmanager
async def redis_store(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ResponseStore, Pass]]:
    server: Server = request.getfixturevalue("redis_server")
    async with linked(server, timeout_s=PATIENT_S) as redis:
        yield RedisResponseStore(redis.link), redis.expire_sooner


@asynccontextmanager
async def memory_limiter(_: pytest.FixtureRequest) -> AsyncIterator[MakeLimiter]:
    clock = SetClock()
    yield lambda limits: (MemoryRateLimiter(limits, clock), clock.advance)


@asynccontextmanager
async def redis_limiter(request: pytest.FixtureRequest) -> AsyncIterator[MakeLimiter]:
    server: Server = request.getfixturevalue("redis_server")
    async with linked(server, timeout_s=PATIENT_S, set_clock=True) as redis:
        yield lambda limits: (RedisRateLimiter(limits, redis.link), redis.advance)


@asynccontextmanager
async def memory_state(_: pytest.FixtureRequest) -> AsyncIterator[tuple[StateStore, Pass]]:
    clock = SetClock()
    yield MemoryStateStore(clock), clock.advance


@asynccontextmanager
async def redis_state(request: pytest.FixtureRequest) -> AsyncIterator[tuple[StateStore, Pass]]:
    server: Server = request.getfixturevalue("redis_server")
    async with linked(server, timeout_s=PATIENT_S) as redis:
        yield RedisStateStore(redis.link), redis.expire_sooner


@asynccontextmanager
async def dynamodb_state(request: pytest.FixtureRequest) -> AsyncIterator[tuple[StateStore, Pass]]:
    client = request.getfixturevalue("aws")("dynamodb")
    clock = SetClock()
    store = DynamoStateStore(client, state_table(client), clock=clock)
    yield store, clock.advance
    await store.close()


@asynccontextmanager
async def agentcore_state(request: pytest.FixtureRequest) -> AsyncIterator[tuple[StateStore, Pass]]:
    clock = SetClock()
    with connected() as (_, client):
        store = AgentCoreStateStore(client, MEMORY, clock=clock)
        yield store, clock.advance
        await store.close()


@asynccontextmanager
async def memory_ledger(_: pytest.FixtureRequest) -> AsyncIterator[MakeLedgers]:
    only = MemoryLedger()
    yield lambda: only


@asynccontextmanager
async def redis_ledger(request: pytest.FixtureRequest) -> AsyncIterator[MakeLedgers]:
    server: Server = request.getfixturevalue("redis_server")
    async with linked(server, timeout_s=PATIENT_S) as redis:
        yield lambda: RedisLedger(redis.link)


@asynccontextmanager
async def dynamodb_ledger(request: pytest.FixtureRequest) -> AsyncIterator[MakeLedgers]:
    client = request.getfixturevalue("aws")("dynamodb")
    table, made = state_table(client), list[DynamoLedger]()

    def make() -> Ledger:
        made.append(DynamoLedger(client, table))
        return made[-1]

    yield make
    for ledger in made:
        await ledger.close()


def file_sink(directory: Path) -> tuple[EventSink, Callable[[], list[dict[str, Any]]]]:
    return EventLog(directory, worker="w0"), lambda: list(read(directory))


def kinesis_sink(directory: Path) -> tuple[EventSink, Callable[[], list[dict[str, Any]]]]:
    """On a client that validates what it is sent; the records' ids are the sink's own addition."""
    client = FaultyKinesis()

    def written() -> list[dict[str, Any]]:
        return [
            {name: value for name, value in record.items() if name != "event_id"}
            for record in client.accepted
        ]

    return KinesisEventSink(client, "events"), written


def fan_out_sink(directory: Path) -> tuple[EventSink, Callable[[], list[dict[str, Any]]]]:
    (log, written), (stream, _) = file_sink(directory), kinesis_sink(directory)
    return FanOutEventSink(log, stream), written


RESPONSE_STORES: list[
    Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[tuple[ResponseStore, Pass]]]
] = [memory_store, redis_store]
RATE_LIMITERS: list[Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[MakeLimiter]]] = [
    memory_limiter,
    redis_limiter,
]
STATE_STORES: list[
    Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[tuple[StateStore, Pass]]]
] = [memory_state, redis_state, dynamodb_state, agentcore_state]
LEDGERS: list[Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[MakeLedgers]]] = [
    memory_ledger,
    redis_ledger,
    dynamodb_ledger,
]
"""A ledger's subject gives a maker: each call is one more process that counts the same money."""
EVENT_SINKS: list[Callable[[Path], tuple[EventSink, Callable[[], list[dict[str, Any]]]]]] = [
    file_sink,
    kinesis_sink,
    fan_out_sink,
]
