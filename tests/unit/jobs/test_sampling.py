"""Which synchronous answers are judged, and that the callers never wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.http.edge import Gateway
from gateway.jobs.judging import drawn, place
from gateway.jobs.sampling import Sampling
from gateway.jobs.store import JobStore, OpenJobs
from router_core.errors import StoreError
from router_core.policy.judging import Judging
from tests.unit.gateway.asgi import application, call
from tests.unit.gateway.scripted import response
from tests.unit.jobs.bench import answered, request
from tests.unit.jobs.house import JudgedRouter, plan, stop

ASK = {"input": "What is it?"}
ALL = Judging(rate=1.0, unsure_rate=1.0, sync_share=1.0)


async def scored(router: JudgedRouter, count: int) -> None:
    for _ in range(1_000):
        if len(router.scores) >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no judgement came")


async def asked(app: Gateway, path: str = "/inference", **body: Any) -> dict[str, Any]:
    reply = await call(app, "POST", path, {**ASK, **body})
    assert reply.status == 200
    found: dict[str, Any] = reply.json
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_a_synchronous_answer_that_is_drawn_is_judged_once(store: JobStore, *, stream: bool) -> None:
    router = JudgedRouter(sync_share=1.0)
    app = application(router, jobs=plan(store))
    await call(app, "POST", "/inference", {**ASK, "stream": stream})
    await scored(router, 1)
    await stop(app)
    ((tenant, _, target, score),) = router.scores
    assert (tenant, target, score) == ("acme", "mec/edge-a", 0.6)


async def test_whoever_reads_a_judged_answer_again_sees_its_judgement(store: JobStore) -> None:
    router = JudgedRouter(sync_share=1.0)
    app = application(router, jobs=plan(store))
    told = await asked(app)
    await scored(router, 1)
    read = (await call(app, "GET", f"/inference/{told['request_id']}")).json
    await stop(app)
    assert (read["output"], read["stage"]) == (told["output"], "COMPLETED")
    assert read["judgement"]["score"] == 0.6


async def test_by_default_no_synchronous_answer_is_judged(store: JobStore) -> None:
    router = JudgedRouter()
    app = application(router, jobs=plan(store))
    for _ in range(5):
        await asked(app)
    await stop(app)
    assert (router.scores, await (await store.opened()).upkeep.depths()) == ([], ())


async def test_a_restricted_answer_is_never_kept_for_a_judge(store: JobStore) -> None:
    router = JudgedRouter(sync_share=1.0)
    app = application(router, jobs=plan(store))
    await asked(app, privacy={"level": "restricted"})
    free = (await asked(app))["request_id"]
    await scored(router, 1)
    await stop(app)
    assert [one[1] for one in router.scores] == [free]


def test_the_draw_is_by_class_tier_and_doubt() -> None:
    one, sure = request(), answered()
    assert sure.decision.risk == "low"
    assert drawn(one, sure, ALL)
    for rules in (
        replace(ALL, classes=("critical",)),
        replace(ALL, tiers=("device",)),
        replace(ALL, rate=0.0),
        replace(ALL, sync_share=0.0),
    ):
        assert not drawn(one, sure, rules), rules
    unsure = replace(sure, decision=replace(sure.decision, risk="high"))
    assert drawn(one, unsure, replace(ALL, rate=0.0))
    # An asynchronous answer does not depend on the synchronous share.
    assert drawn(replace(one, asynchronous=True), sure, replace(ALL, sync_share=0.0))
    assert not drawn(one, replace(sure, status="failed"), ALL)


def test_the_share_is_the_share() -> None:
    ids = [f"req_{number}" for number in range(4000)]
    rules = replace(ALL, sync_share=0.25)
    hits = sum(drawn(replace(request(), request_id=name), answered(), rules) for name in ids)
    assert 880 < hits < 1120
    assert all(0.0 <= place(name) < 1.0 for name in ids)


@pytest.mark.parametrize(("doubt", "least", "most"), [(0.0, 1, 15), (1.0, 75, 125)])
async def test_a_target_in_doubt_is_judged_oftener(
    store: JobStore, doubt: float, least: int, most: int
) -> None:
    """As asynchronous answers are: the doubt closes the gap between the rate and all of the share."""
    rules, begun = Judging(rate=0.05, unsure_rate=0.05, sync_share=0.5), list[int]()
    sampling = Sampling(store, lambda: rules, lambda: begun.append(1))
    sampling.heed(lambda: {answered().served.target: doubt, "mec/other": 1.0 - doubt})
    for number in range(200):
        sampling.offer(replace(request(), request_id=f"req_{number}"), answered())
    await sampling.stop()
    assert least <= len(begun) <= most


async def test_a_store_that_is_away_costs_nobody_an_answer() -> None:
    async def away() -> OpenJobs:
        raise StoreError("away")

    sampling = Sampling(JobStore(away, wanted=lambda: True), lambda: ALL, lambda: None)
    for number in range(300):
        one = replace(request(), request_id=f"req_{number}")
        sampling.offer(one, replace(response(one, answered().output), cache="miss"))
    assert sampling.dropped == 300 - 256
    await sampling.stop()
    assert sampling.dropped == 300
