"""The answers of a SageMaker endpoint, taken apart for `Fault`s: a container's chat answers, framed when streamed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.sandbox.eventstream import CONTENT_TYPE, frame
from tests.upstream.faults import Answer, Fault
from tests.upstream.openai_wire import openai_answer

_CODES = {
    400: "ValidationError",
    403: "AccessDeniedException",
    429: "ThrottlingException",
    500: "InternalFailure",
}


def sagemaker_answer(path: str, body: Mapping[str, Any], fault: Fault, length: int) -> Answer:
    """The parts of an answer to InvokeEndpoint or InvokeEndpointWithResponseStream."""
    inside = openai_answer("/v1/chat/completions", body, fault, length)
    code = fault.error or _CODES.get(fault.status, "ServiceUnavailable")
    inside = replace(
        inside, error_body={"message": "scripted fault"}, error_headers={"x-amzn-errortype": code}
    )
    if not path.endswith("-response-stream"):
        return replace(inside, streams=False)
    return replace(
        inside,
        streams=True,
        content_type=CONTENT_TYPE,
        opening=_part(inside.opening),
        tokens=tuple(map(_part, inside.tokens)),
        finish=_part(inside.finish),
        usage=_part(inside.usage),
        done=_part(inside.done),
        malformed=_part(inside.malformed),
        error=_part(inside.error),
        oversized=_part(inside.oversized),
    )


def _part(payload: bytes) -> bytes:
    """One `PayloadPart`: bytes as the container wrote them."""
    if not payload:
        return b""
    headers = {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    return frame(headers, payload)
