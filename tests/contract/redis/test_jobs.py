"""How far jobs are, on a real Redis: never backwards, never another tenant's, and never the reason why a request fails."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.jobs.live import live
from gateway.jobs.store import OpenJobs
from router_core.adapters.redis.jobs import RedisLiveStates
from router_core.adapters.sql.schema import upgrade
from router_core.errors import StoreError
from router_core.jobs.live import FRESH_S, KEPT_S, RANK, LiveState, LiveStates
from router_core.jobs.records import Claim, Envelope, Job, Step
from router_core.jobs.stages import ANSWERING
from tests.contract.redis.linked import PATIENT_S, Linked, linked
from tests.contract.redis.servers import Server
from tests.contract.sql.conftest import Jobs, opened_jobs

STATE = LiveState(
    request_id="req_1", tenant="acme", stage="CREATED", created_s=999.25, runs=0, written_s=1_000.5
)
DONE = Step(stage="COMPLETED", answer=b"yes")


@pytest_asyncio.fixture
async def redis(redis_server: Server) -> AsyncIterator[Linked]:
    async with linked(redis_server, timeout_s=PATIENT_S) as made:
        yield made


@pytest.fixture
def states(redis: Linked) -> RedisLiveStates:
    return RedisLiveStates(redis.link)


async def test_a_state_comes_back_as_it_was_and_is_kept_for_a_week(
    redis: Linked, states: RedisLiveStates
) -> None:
    assert await states.put(STATE)
    assert await states.get("req_1") == STATE
    assert await states.get("req_2") is None
    name = redis.link.key("request", "req_1")
    assert name.endswith(":request:req_1")
    assert KEPT_S - 60 < redis.server.client.pttl(name) / 1000 <= KEPT_S


async def test_of_writes_in_any_order_the_furthest_stays(states: RedisLiveStates) -> None:
    chance = random.Random(7)
    for number in range(30):
        at = replace(STATE, request_id=f"req_many_{number}")
        known = -1
        for stage in chance.choices(list(RANK), k=8):
            assert await states.put(replace(at, stage=stage)) is (RANK[stage] >= known)
            known = max(known, RANK[stage])
            found = await states.get(at.request_id)
            assert found is not None and RANK[found.stage] == known


class Watched:
    """A history that counts who asks it."""

    def __init__(self, jobs: Jobs) -> None:
        self._history, self.asked = jobs.history, 0

    async def create(
        self, job: Job, queues: Sequence[str] = (ANSWERING,), envelope: Envelope | None = None
    ) -> bool:
        return await self._history.create(job, queues, envelope)

    async def advance(self, claim: Claim, step: Step) -> bool:
        return await self._history.advance(claim, step)

    async def find(self, tenant: str, request_id: str) -> Job | None:
        self.asked += 1
        return await self._history.find(tenant, request_id)


class House:
    """Jobs in SQLite with their states shown."""

    def __init__(self, jobs: Jobs, states: LiveStates) -> None:
        self.watched = Watched(jobs)
        opened = OpenJobs(
            history=self.watched, queue=jobs.queue, upkeep=jobs.upkeep, close=jobs.database.close
        )
        self.live = live(opened, states, jobs.clock)

    async def stage(self, tenant: str = "acme") -> str | None:
        job = await self.live.history.find(tenant, "req_1")
        return None if job is None else job.stage

    async def claimed(self) -> Claim:
        (claim,) = await self.live.queue.claim(ANSWERING, 1, 30.0)
        return claim


class Away:
    """States that cannot be reached."""

    async def put(self, state: LiveState) -> bool:
        raise StoreError("away")

    async def get(self, request_id: str) -> LiveState | None:
        raise StoreError("away")


@pytest_asyncio.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[Jobs]:
    opened = opened_jobs(f"sqlite:///{tmp_path / 'jobs.db'}")
    upgrade(opened.database.engine)
    yield opened
    await opened.database.close()


def accepted() -> Job:
    return Job(request_id="req_1", tenant="acme", created_s=999.0, size=7, request=b"orchard")


async def test_who_asks_often_is_told_without_the_database(jobs: Jobs, states: RedisLiveStates) -> None:
    house = House(jobs, states)
    assert await house.live.history.create(accepted())
    assert [await house.stage() for _ in range(5)] == ["CREATED"] * 5
    claim = await house.claimed()
    assert await house.stage() == "INFERENCE"
    await house.live.queue.release(claim, 0.0, "busy", counted=False)
    assert await house.stage() == "GATEWAY"
    assert house.watched.asked == 0
    assert await house.live.history.advance(await house.claimed(), DONE)
    job = await house.live.history.find("acme", "req_1")
    assert job is not None and (job.stage, job.answer) == ("COMPLETED", b"yes")
    assert house.watched.asked == 1


async def test_another_tenant_learns_nothing(jobs: Jobs, states: RedisLiveStates) -> None:
    house = House(jobs, states)
    await house.live.history.create(accepted())
    assert await house.stage(tenant="rival") is None


async def test_a_state_that_was_not_written_is_believed_for_moments_only(
    jobs: Jobs, states: RedisLiveStates
) -> None:
    house = House(jobs, states)
    await house.live.history.create(accepted())
    (claim,) = await jobs.queue.claim(ANSWERING, 1, 30.0)
    await jobs.history.advance(claim, DONE)
    assert await house.stage() == "CREATED"
    jobs.clock.at_s += FRESH_S + 0.1
    assert await house.stage() == "COMPLETED"
    found = await states.get("req_1")
    assert found is not None and found.stage == "COMPLETED"


async def test_a_redriven_job_is_shown_as_it_is(jobs: Jobs, states: RedisLiveStates) -> None:
    house = House(jobs, states)
    await house.live.history.create(accepted())
    poison = Step(stage="FAILED", problem=b"{}", buried="RuntimeError")
    await house.live.history.advance(await house.claimed(), poison)
    assert await house.stage() == "FAILED"
    await jobs.letters.redrive(None, None)
    assert await house.stage() == "CREATED"


async def test_without_redis_the_history_answers(jobs: Jobs) -> None:
    house = House(jobs, Away())
    assert await house.live.history.create(accepted())
    assert await house.stage() == "CREATED"
    assert await house.live.history.advance(await house.claimed(), DONE)
    assert await house.stage() == "COMPLETED"


async def test_no_text_is_in_redis(redis: Linked, jobs: Jobs, states: RedisLiveStates) -> None:
    await House(jobs, states).live.history.create(accepted())
    fields = redis.server.client.hgetall(redis.link.key("request", "req_1"))
    assert set(fields) == {b"rank", b"tenant", b"stage", b"created_s", b"runs", b"written_s"}
