"""A worker as a function: what SQS is told of a batch, whatever happens to the jobs in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest_asyncio

from gateway.composition.jobs_store import CarriedJobs
from gateway.hosts.jobs import worked
from gateway.jobs.store import JobStore, OpenJobs
from gateway.jobs.worker import Pace, Worker
from router_core.adapters.sql.schema import upgrade
from router_core.errors import RateLimitedError, StoreError
from router_core.jobs.records import Claim, Job, Step
from router_core.jobs.stages import ANSWERING
from router_core.jobs.tries import Tries
from tests.contract.sql.conftest import opened_jobs
from tests.contract.sqs.site import Topics
from tests.contract.sqs.subject import Carried

LENT_S = 30.0


class Scripted:
    """Does to each job what its request says."""

    def __init__(self) -> None:
        self.worked: list[str] = []

    async def work(self, claim: Claim) -> Step:
        self.worked.append(claim.job.request_id)
        match claim.job.request:
            case b"poison":
                raise RuntimeError("broken")
            case b"busy":
                raise RateLimitedError("wait", retry_after_s=5.0)
            case b"slow":
                await asyncio.Event().wait()
            case b"away":
                raise StoreError("the archive is away")
            case _:
                pass
        return Step(stage="COMPLETED", answer=b"yes")

    def gave_up(self, claim: Claim, error: BaseException | None, buried: str | None) -> Step:
        return Step(stage="FAILED", problem=b"{}", buried=buried)

    async def stored(self, claim: Claim, step: Step) -> None:
        return None


class Function:
    """One function, called as Lambda calls it."""

    def __init__(self, carried: Carried) -> None:
        self.carried, self.handler = carried, Scripted()
        opened = OpenJobs(
            history=carried.history, queue=carried.sqs, upkeep=carried.rows.upkeep, close=carried.close
        )
        self.parts = CarriedJobs(open=opened, queue=carried.sqs, relay=carried.relay)

        async def give() -> OpenJobs:
            return opened

        pace = Pace(lent_s=LENT_S, tries=Tries(most=2, first_s=5.0))
        self.worker = Worker(
            ANSWERING, self.handler, JobStore(give, wanted=lambda: True), carried.rows.clock, pace
        )

    async def received(self) -> dict[str, Any]:
        """A batch as an event, deleted by nobody."""
        await self.carried.relay.once()
        got = self.carried.topics.carrier().receive(ANSWERING, 10, 0, 600)
        return {"Records": [{"messageId": f"m{n}", "body": one.body} for n, one in enumerate(got)]}

    async def __call__(self, event: Mapping[str, Any], within_s: float = 20.0) -> list[str]:
        failed = await worked(event, self.parts, self.worker, lent_s=LENT_S, within_s=within_s)
        await self.carried.relay.once()
        return failed

    async def stages(self, *numbers: int) -> list[str]:
        found = [await self.carried.find("acme", f"req_{number}") for number in numbers]
        return [job.stage for job in found if job is not None]


@pytest_asyncio.fixture
async def function(sqs_site: str, tmp_path: Path) -> AsyncIterator[Function]:
    rows = opened_jobs(f"sqlite:///{tmp_path / 'jobs.db'}")
    upgrade(rows.database.engine)
    made = Carried(rows, Topics(sqs_site))
    yield Function(made)
    await made.close()
    await rows.database.close()


async def accept(function: Function, *requests: bytes) -> None:
    for number, request in enumerate(requests):
        job = Job(request_id=f"req_{number}", tenant="acme", created_s=999.0, size=1, request=request)
        await function.carried.rows.history.create(job)


async def test_a_batch_with_everything_in_it_needs_no_message_again(function: Function) -> None:
    await accept(function, b"fine", b"poison", b"busy")
    event = await function.received()
    event["Records"] += [
        {"messageId": "copy", "body": event["Records"][0]["body"]},
        {"messageId": "x", "body": "?"},
    ]
    assert await function(event) == []
    assert await function.stages(0, 1, 2) == ["COMPLETED", "INFERENCE", "GATEWAY"]
    assert sorted(function.handler.worked) == ["req_0", "req_1", "req_2"]
    # What waits is published when its time has come, and poison is buried at its last try.
    assert (await function.received())["Records"] == []
    function.carried.rows.clock.at_s += 6
    again = await function.received()
    assert len(again["Records"]) == 2
    assert await function(again) == []
    assert await function.stages(1, 2) == ["FAILED", "GATEWAY"]
    reasons = {one.reason for one in function.carried.topics.carrier().dead(ANSWERING, 0)}
    assert reasons == {"RuntimeError", "not a message of ours"}


async def test_the_same_event_twice_runs_nothing_twice(function: Function) -> None:
    await accept(function, b"fine")
    event = await function.received()
    assert await function(event) == await function(event) == []
    assert function.handler.worked == ["req_0"]


async def test_what_does_not_end_in_the_functions_time_is_given_back(function: Function) -> None:
    await accept(function, b"slow", b"fine")
    assert await function(await function.received(), within_s=0.5) == []
    assert await function.stages(0, 1) == ["INFERENCE", "COMPLETED"]
    assert len((await function.received())["Records"]) == 1


async def test_without_the_database_all_of_it_comes_again(function: Function) -> None:
    await accept(function, b"fine", b"fine")
    event = await function.received()
    with function.carried.rows.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE job_messages RENAME TO elsewhere")
    assert await worked(event, function.parts, function.worker, lent_s=1.0, within_s=1.0) == ["m0", "m1"]
    with function.carried.rows.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO job_messages")
    assert await function(event) == []
    assert await function.stages(0, 1) == ["COMPLETED", "COMPLETED"]


async def test_a_store_that_is_away_while_a_job_runs_makes_it_wait(function: Function) -> None:
    await accept(function, b"away")
    assert await function(await function.received()) == []
    assert await function.stages(0) == ["INFERENCE"]
    function.carried.rows.clock.at_s += 6
    assert len((await function.received())["Records"]) == 1
