"""An application over a job store, and how tests wait for its jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agents.judge.lobbying import CRITERIA
from gateway.http.edge import Gateway
from gateway.jobs.assembly import JobsPlan
from gateway.jobs.store import JobStore
from gateway.jobs.worker import Pace
from router_core.adapters.system_clock import SystemClock
from router_core.execution import Choice, Output
from router_core.inference import InferenceRequest
from router_core.jobs.tries import Tries
from router_core.policy.document import Policy
from router_core.policy.judging import Judging
from router_core.policy.rollout import Rollout
from router_core.resources import TargetSpec
from tests.unit.gateway.asgi import CATALOGUE, call
from tests.unit.gateway.scripted import ScriptedRouter, text_output

QUICK = Tries(most=3, first_s=0.01, longest_s=0.02)
BODY = {"input": "What is it?", "mode": "async"}
JUDGE = TargetSpec(name="mec/qwen", tier="mec", kind="openai", model="qwen3-8b")


class JudgedRouter(ScriptedRouter):
    """Its policy wants every answer judged; its judge grades 6, or says what `verdict` makes of the mark."""

    def __init__(self, verdict: Callable[[str], str] | None = None, **rules: Any) -> None:
        super().__init__(output=self._output)
        self._rules = replace(Judging(rate=1.0, unsure_rate=1.0), **rules)
        self._verdict = verdict or self._six

    @staticmethod
    def _six(mark: str) -> str:
        return json.dumps({"mark": mark, **dict.fromkeys(CRITERIA, 6), "reason": "so"})

    def _output(self, request: InferenceRequest) -> Output:
        if request.preferences.target != JUDGE.name:
            return text_output(request)
        return Output(
            choices=(Choice(text=self._verdict(str(request.messages[1]["content"]).split("\n")[0])),)
        )

    def rollout(self) -> Rollout:
        return Rollout(stable=replace(Policy(), judging=self._rules))


def plan(store: JobStore, **changes: Any) -> JobsPlan:
    pace = Pace(running=8, lent_s=5.0, tries=QUICK)
    specs = (*CATALOGUE, JUDGE)
    return replace(
        JobsPlan(store=store, clock=SystemClock(), pace=pace, specs=specs, judges=(JUDGE.name,)), **changes
    )


async def accept(app: Gateway, body: dict[str, Any] | None = None) -> str:
    reply = await call(app, "POST", "/inference", body or BODY)
    assert (reply.status, reply.json["stage"]) == (202, "CREATED")
    return reply.headers["location"]


async def ended(app: Gateway, place: str) -> dict[str, Any]:
    async with asyncio.timeout(10.0):
        while True:
            reply = await call(app, "GET", place)
            found: dict[str, Any] = reply.json
            if found["stage"] in ("COMPLETED", "FAILED"):
                return {**found, "headers": reply.headers}
            await asyncio.sleep(0.01)


async def begun(router: ScriptedRouter) -> None:
    for _ in range(2_000):
        if router.asked:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody was asked")


async def stop(app: Gateway) -> None:
    app.begin_drain()
    assert await app.drained(5.0)
