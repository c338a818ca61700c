"""The last stage: records what came of a request, and keeps the answer for who asks later or hands it to who waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from agents.monitor import MonitorAgent
from agents.staged.carried import WAITING, Snapshots, request_of
from agents.staged.parcel import pack
from agents.staged.stages import MonitorStage
from agents.steps import Ending
from gateway.hosts.answered import StoredAnswers
from gateway.hosts.composition import CLOCK, Parts
from gateway.http import answers
from gateway.http.problems import problem_of
from router_core.errors import TierwiseError
from router_core.inference import InferenceRequest, InferenceResponse
from router_core.payload import error_to_json, to_json


async def last_stage(
    parts: Parts, snapshots: Snapshots
) -> Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]:
    """Payload in, the packed answer out. Raises `StoreError` when an answer for later could not be kept."""
    specs = {spec.name: spec for spec in parts.specs}
    cache = await parts.cache_agent()
    outside = parts.outside
    stage = MonitorStage(
        Ending(cache, MonitorAgent(parts.specs, outside.events(), CLOCK), specs, CLOCK),
        snapshots,
        parts.safety,
    )
    kept = StoredAnswers(outside)

    async def work(payload: Mapping[str, Any]) -> dict[str, Any]:
        request, ended = request_of(payload), await _ended(stage, payload)
        if payload.get(WAITING):
            told = _record(ended)
        else:
            told = _body(request, ended)
            await kept.put(request, told)
        await outside.flush()
        return await pack(told, parts.blobs)

    return work


async def _ended(stage: MonitorStage, payload: Mapping[str, Any]) -> InferenceResponse | TierwiseError:
    try:
        return await stage(payload)
    except TierwiseError as error:
        return error


def _record(ended: InferenceResponse | TierwiseError) -> dict[str, Any]:
    """For a host that waits and tells the caller in its own way."""
    if isinstance(ended, TierwiseError):
        return {"status": "failed", "raised": error_to_json(ended)}
    return {"status": ended.status, "response": to_json(ended)}


def _body(request: InferenceRequest, ended: InferenceResponse | TierwiseError) -> dict[str, Any]:
    """As the caller will read it."""
    if isinstance(ended, TierwiseError):
        problem = problem_of(ended).members(request.request_id)
        body = {"request_id": request.request_id, "status": "failed", "stage": "FAILED", "problem": problem}
    else:
        body = answers.answer(ended, request)
    told: dict[str, Any] = orjson.loads(answers.encode(body))
    return told
