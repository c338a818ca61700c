"""Accepting, running, judging, trying again and giving up, over a real SQLite file and a scripted router."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any

from gateway.jobs.durable import Limits
from gateway.jobs.store import JobStore, OpenJobs
from gateway.jobs.worker import Pace
from router_core.errors import NoCapacityError, StoreError
from router_core.execution import Output
from router_core.inference import InferenceRequest
from router_core.jobs.records import Claim, Job, Step
from tests.unit.gateway.asgi import OTHER, application, call
from tests.unit.gateway.scripted import TEXT, OpenLimiter, ScriptedRouter, text_output
from tests.unit.jobs.house import BODY, QUICK, JudgedRouter, accept, begun, ended, plan, stop


async def test_an_accepted_request_is_answered_as_a_synchronous_one_would_be(store: JobStore) -> None:
    router, limiter = ScriptedRouter(), OpenLimiter()
    app = application(router, limiter, jobs=plan(store))
    place = await accept(app)
    found = await ended(app, place)
    assert (found["status"], found["output"]["text"], found["runs"]) == ("completed", TEXT, 1)
    assert found["headers"]["x-tierwise-target"] == "mec/edge-a"
    assert (await call(app, "GET", place, key=OTHER)).status == 404
    assert "judgement" not in found
    assert len(limiter.admitted) == len(limiter.settled) == 1
    await stop(app)


async def test_an_answer_that_the_policy_wants_judged_gets_one_judgement_and_one_record(
    store: JobStore,
) -> None:
    router = JudgedRouter()
    app = application(router, jobs=plan(store))
    found = await ended(app, await accept(app))
    assert (found["output"]["text"], found["judgement"]["score"]) == (TEXT, 0.6)
    assert (found["judgement"]["target"], found["judgement"]["family"]) == ("mec/qwen", "alibaba")
    assert router.scores == [("acme", found["request_id"], "mec/edge-a", 0.6)]
    await stop(app)


async def test_a_judge_that_breaks_costs_the_judgement_and_not_the_answer(store: JobStore) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("canary")

    router = JudgedRouter(broken)
    app = application(router, jobs=plan(store))
    found = await ended(app, await accept(app))
    assert (found["status"], found["stage"], found["output"]["text"]) == ("completed", "COMPLETED", TEXT)
    assert found["judgement"]["skipped"] == "the judge failed: RuntimeError"
    assert router.scores == []
    (depth,) = await (await store.opened()).upkeep.depths()
    assert (depth.queue, depth.dead) == ("judge", 1)
    await stop(app)


async def test_poison_is_tried_so_often_and_set_aside_while_others_go_on(store: JobStore) -> None:
    def bad(request: InferenceRequest) -> Output:
        if request.user == "poison":
            raise RuntimeError("canary of the caller's text")
        return text_output(request)

    router = ScriptedRouter(output=bad)
    app = application(router, jobs=plan(store))
    places = [await accept(app, {**BODY, "user": "poison" if i == 1 else "u"}) for i in range(4)]
    found = [await ended(app, place) for place in places]
    assert [one["stage"] for one in found] == ["COMPLETED", "FAILED", "COMPLETED", "COMPLETED"]
    assert (found[1]["runs"], found[1]["problem"]["status"]) == (3, 500)
    assert "canary" not in json.dumps(found[1]["problem"])
    (depth,) = await (await store.opened()).upkeep.depths()
    assert (depth.waiting, depth.dead) == (0, 1)
    await stop(app)


async def test_a_busy_router_makes_a_job_wait_and_costs_it_no_try(store: JobStore) -> None:
    busy = 6

    def sometimes(request: InferenceRequest) -> Output:
        nonlocal busy
        busy -= 1
        if busy > 0:
            raise NoCapacityError("busy", rejected={})
        return text_output(request)

    app = application(ScriptedRouter(output=sometimes), jobs=plan(store))
    found = await ended(app, await accept(app))
    assert (found["stage"], found["runs"]) == ("COMPLETED", 1)
    await stop(app)


async def test_more_than_may_wait_are_turned_away(store: JobStore) -> None:
    app = application(jobs=plan(store, limits=Limits(max_waiting=2), pace=Pace(running=0)))
    replies = [await call(app, "POST", "/inference", BODY) for _ in range(3)]
    assert [reply.status for reply in replies] == [202, 202, 503]
    assert "retry-after" in replies[2].headers


async def test_a_store_that_is_away_refuses_new_work_and_keeps_an_answer_in_hand(store: JobStore) -> None:
    """The database is away for as long as the answer takes and longer: the model is not asked twice."""
    opened = await store.opened()
    router = ScriptedRouter(wait_s=0.05)
    flaky = Flaky(opened)
    app = application(router, jobs=plan(JobStore(flaky.opened, wanted=lambda: True)))
    place = await accept(app)
    await begun(router)
    flaky.away = True
    assert (await call(app, "POST", "/inference", BODY)).status == 503
    await asyncio.sleep(0.2)
    flaky.away = False
    found = await ended(app, place)
    assert (found["stage"], found["runs"], len(router.asked)) == ("COMPLETED", 1, 1)
    await stop(app)


class Flaky:
    """A store that fails while it is `away`."""

    def __init__(self, inside: OpenJobs) -> None:
        self._inside = inside
        self.away = False

    async def opened(self) -> OpenJobs:
        return replace(self._inside, history=self)

    def _check(self) -> None:
        if self.away:
            raise StoreError("away")

    async def create(self, job: Job, queues: Any = (), envelope: Any = None) -> bool:
        self._check()
        return await self._inside.history.create(job, queues, envelope)

    async def advance(self, claim: Claim, step: Step) -> bool:
        self._check()
        return await self._inside.history.advance(claim, step)

    async def find(self, tenant: str, request_id: str) -> Job | None:
        self._check()
        return await self._inside.history.find(tenant, request_id)


async def test_a_job_whose_workers_all_died_is_given_up(store: JobStore) -> None:
    """Claims that never come back, as a killed worker leaves them."""
    opened = await store.opened()
    accepting = application(jobs=plan(store, pace=Pace(running=0)))
    place = await accept(accepting)
    for _ in range(QUICK.most):
        assert len(await opened.queue.claim("inference", 1, 0.0)) == 1
    router = ScriptedRouter()
    app = application(router, jobs=plan(store))
    await accept(app)
    found = await ended(app, place)
    assert (found["stage"], found["problem"]["status"]) == ("FAILED", 500)
    assert [one.request_id for one in router.asked] != [found["request_id"]]
    await stop(app)


async def test_nothing_is_lost_between_two_processes_that_run_the_same_job(store: JobStore) -> None:
    """A lease that ends too early: both finish, one result is stored, the other's cost is kept."""
    opened = await store.opened()
    slow = ScriptedRouter(wait_s=0.2)
    app = application(slow, jobs=plan(store))
    place = await accept(app)
    await begun(slow)
    stolen = partial(Step, stage="COMPLETED")
    found = await opened.history.find("acme", place.removeprefix("/inference/"))
    assert found is not None
    thief = Claim(key=f"{found.request_id}/inference", queue="inference", token="x", tries=2, job=found)
    assert await opened.history.advance(thief, stolen(problem=b"{}"))
    await stop(app)
    kept = await opened.history.find("acme", found.request_id)
    assert kept is not None
    assert (kept.problem, kept.answer, kept.repeated_nano) == (b"{}", None, 12_000)
