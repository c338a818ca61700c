"""How far a job is, as events: each change once, then its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.jobs.following import Found, changes
from gateway.jobs.store import JobStore
from router_core.errors import StoreError
from router_core.execution import Output
from router_core.inference import InferenceRequest
from tests.unit.gateway.asgi import OTHER, application, call
from tests.unit.gateway.scripted import TEXT, ScriptedRouter, text_output
from tests.unit.jobs.house import JudgedRouter, accept, plan, stop


def events(body: bytes) -> list[tuple[str, Any]]:
    """Name and data of each."""
    found = []
    for block in body.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_a_job_is_followed_to_its_judgement(store: JobStore) -> None:
    app = application(JudgedRouter(), jobs=plan(store))
    place = await accept(app)
    reply = await call(app, "GET", f"{place}/events")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    *states, (name, last) = events(reply.body)
    stages = [data["stage"] for kind, data in states if kind == "state"]
    assert stages[-1] == "COMPLETED" and len(set(stages)) == len(stages)
    assert (name, last["output"]["text"], last["judgement"]["score"]) == ("done", TEXT, 0.6)
    # Who asks later hears the end at once, and another tenant nothing.
    assert [kind for kind, _ in events((await call(app, "GET", f"{place}/events")).body)] == ["state", "done"]
    assert (await call(app, "GET", f"{place}/events", key=OTHER)).status == 404
    assert (await call(app, "POST", f"{place}/events", {})).status == 405
    await stop(app)


async def test_a_failed_job_ends_with_its_problem(store: JobStore) -> None:
    def bad(request: InferenceRequest) -> Output:
        raise RuntimeError("canary")

    app = application(ScriptedRouter(output=bad), jobs=plan(store))
    reply = await call(app, "GET", f"{await accept(app)}/events")
    name, last = events(reply.body)[-1]
    assert (name, last["status"]) == ("error", 500)
    assert b"canary" not in reply.body
    await stop(app)


async def test_an_answer_that_was_waited_for_is_over(store: JobStore) -> None:
    app = application(ScriptedRouter(output=text_output), jobs=plan(store))
    done = await call(app, "POST", "/inference", {"input": "What is it?"})
    found = events((await call(app, "GET", f"/inference/{done.json['request_id']}/events")).body)
    assert [kind for kind, _ in found] == ["state", "done"]
    assert (await call(app, "GET", "/inference/req_nobody/events")).status == 404
    await stop(app)


def scripted(*found: Found | StoreError) -> Callable[[], Awaitable[Found]]:
    rest = list(found)

    async def look() -> Found:
        one = rest.pop(0)
        if isinstance(one, StoreError):
            raise one
        return one

    return look


def at(stage: str) -> dict[str, Any]:
    return {"request_id": "r", "status": "queued", "stage": stage}


@pytest.mark.parametrize(
    ("rest", "stages"),
    [
        (
            (at("CREATED"), at("INFERENCE"), at("INFERENCE"), at("COMPLETED")),
            ["CREATED", "INFERENCE", "COMPLETED"],
        ),
        ((StoreError("away"), at("GATEWAY"), at("FAILED")), ["CREATED", "GATEWAY", "FAILED"]),
        ((at("JUDGE"), None), ["CREATED", "JUDGE"]),
    ],
)
async def test_each_change_is_told_once(rest: tuple[Any, ...], stages: list[str]) -> None:
    async with asyncio.timeout(10.0):
        told = [one async for one in changes(at("CREATED"), scripted(*rest))]
    assert [data["stage"] for kind, data in events(b"".join(told)) if kind == "state"] == stages
