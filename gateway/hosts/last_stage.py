"""The last stage: records what came of a request, tells the caller, and keeps the answer for who asks later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from agents.carried import Snapshots, request_of
from agents.monitor import MonitorAgent
from agents.parcel import pack
from agents.stages import MonitorStage
from agents.steps import Ending
from gateway.hosts.answered import StoredAnswers
from gateway.hosts.composition import CLOCK, Parts
from gateway.http import answers
from gateway.http.problems import problem_of
from router_core.errors import TierwiseError


async def last_stage(
    parts: Parts, snapshots: Snapshots
) -> Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]:
    """Payload in, the packed answer out. Raises `StoreError` when the answer could not be kept."""
    specs = {spec.name: spec for spec in parts.specs}
    cache = await parts.cache_agent()
    outside = parts.outside
    stage = MonitorStage(
        Ending(cache, MonitorAgent(parts.specs, outside.events(), CLOCK), specs, CLOCK), snapshots
    )
    kept = StoredAnswers(outside)

    async def work(payload: Mapping[str, Any]) -> dict[str, Any]:
        request = request_of(payload)
        try:
            response = await stage(payload)
            body = answers.answer(response, request)
        except TierwiseError as error:
            problem = problem_of(error).members(request.request_id)
            body = {
                "request_id": request.request_id,
                "status": "failed",
                "stage": "FAILED",
                "problem": problem,
            }
        told: dict[str, Any] = orjson.loads(answers.encode(body))
        await kept.put(request, told)
        await outside.flush()
        return await pack(told, parts.blobs)

    return work
