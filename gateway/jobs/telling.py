"""What the owner of a job is told: its answer, or how far it is."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.http.ports import StoredAnswer
from router_core.inference import InferenceResponse
from router_core.jobs.records import NANO, Job
from router_core.jobs.stages import FAILED
from router_core.payload import from_json


def told(job: Job) -> StoredAnswer | dict[str, Any]:
    """What the owner of a job is told."""
    more: dict[str, Any] = {"runs": job.runs}
    if job.repeated_nano:
        more["repeated_cost_usd"] = job.repeated_nano / NANO
    if job.judgement is not None:
        more["judgement"] = orjson.loads(job.judgement)
    if job.answer is not None:
        response = from_json(InferenceResponse, orjson.loads(job.answer))
        return StoredAnswer(response=response, stage=job.stage, more=more)
    body: dict[str, Any] = {
        "request_id": job.request_id,
        "status": "failed" if job.stage == FAILED else "queued",
        "stage": job.stage,
        **more,
    }
    return body if job.problem is None else body | {"problem": orjson.loads(job.problem)}
