"""What metrics say of the queues."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.jobs.figures import JobFigures
from gateway.jobs.store import JobStore
from router_core.jobs.records import Depth
from tests.unit.gateway.asgi import application, call
from tests.unit.gateway.scripted import ScriptedRouter
from tests.unit.jobs.house import BODY, plan, stop


async def test_what_waits_is_seen_where_nobody_works(store: JobStore) -> None:
    idle = plan(store)
    app = application(ScriptedRouter(), jobs=replace(idle, pace=replace(idle.pace, running=0)))
    await call(app, "POST", "/inference", BODY)
    for _ in range(1_000):
        if store.figures.depths:
            break
        await asyncio.sleep(0.01)
    page = store.figures.exposition().decode()
    await stop(app)
    assert 'tierwise_jobs_messages{queue="inference",state="waiting"} 1\n' in page
    assert "tierwise_jobs_unsampled_total 0\n" in page


def test_every_queue_has_its_states_and_its_age() -> None:
    figures = JobFigures(unsampled=lambda: 3)
    figures.depths = (Depth(queue="judge", waiting=1, delayed=2, running=3, dead=4, oldest_s=1.5),)
    rows = figures.exposition().decode().splitlines()
    told = [row for row in rows if not row.startswith("#")]
    assert told == [
        *(
            f'tierwise_jobs_messages{{queue="judge",state="{state}"}} {n}'
            for n, state in enumerate(("waiting", "delayed", "running", "dead"), 1)
        ),
        'tierwise_jobs_oldest_seconds{queue="judge"} 1.500',
        "tierwise_jobs_unsampled_total 3",
    ]
