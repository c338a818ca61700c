"""What a target is asked: the request as a call, with the bounds that it was decided under."""

from __future__ import annotations

from dataclasses import replace

from agents.attempts import Job, Step
from agents.streaming import Accepted
from router_core.inference import Params
from router_core.ports import EmbedCall, ModelCall


def model_call(job: Job, step: Step, accepted: Accepted | None = None) -> ModelCall:
    """The request for one target, or what is left of it where a text was begun elsewhere."""
    request = job.request
    begun = accepted is not None and not accepted.empty
    return ModelCall(
        request_id=request.request_id,
        model=step.spec.model,
        messages=request.messages,
        params=_bounded(job, step, accepted.spent() if accepted is not None and begun else 0),
        task=job.context.task,
        timeout_s=step.timeout_s,
        idle_s=job.policy.limits.stream_idle_ms / 1000.0,
        continuation=accepted.text if accepted is not None and begun else None,
        user=request.user,
        min_confidence=job.policy.thresholds.device_confidence,
    )


def embed_call(job: Job, step: Step) -> EmbedCall:
    """Vectors of the request's messages, one each."""
    dimensions = job.request.params.extra.get("dimensions")
    return EmbedCall(
        request_id=job.request.request_id,
        model=step.spec.model,
        inputs=tuple(str(message["content"]) for message in job.request.messages),
        timeout_s=step.timeout_s,
        dimensions=dimensions if isinstance(dimensions, int) else None,
    )


def _bounded(job: Job, step: Step, spent: int) -> Params:
    """A priced target never writes more than the estimate that the budget was checked against."""
    params, spec = job.request.params, step.spec
    limit = params.max_tokens
    if limit is None and spec.price_out > 0:
        limit = job.context.max_output_tokens
    if limit is None:
        return params
    limit = max(1, min(limit, spec.max_output_tokens) - spent)
    return params if limit == params.max_tokens else replace(params, max_tokens=limit)
