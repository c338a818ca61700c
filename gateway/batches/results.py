"""What became of a line, as a line of the output or of the error file: exactly one of the two, in OpenAI's form."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.batches.lines import Line
from gateway.http import answers
from gateway.http.openai.chat import chat_completion
from gateway.http.openai.completions import text_completion
from gateway.http.openai.embeddings import embedding_list
from gateway.http.openai.responses_shape import ResponseShape
from gateway.http.wire.chat import ChatBody, CompletionBody
from gateway.http.wire.embeddings import EmbeddingsBody
from router_core.inference import InferenceResponse
from router_core.jobs.records import Job
from router_core.payload import from_json
from router_core.record import dataclass

OVER_BUDGET: Final = "over_budget"
_NEVER_RUN: Final = {
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was executed."),
    OVER_BUDGET: ("batch_budget_exceeded", "The batch had cost what it may before this request's turn came."),
}
_LOST: Final = ("batch_request_lost", "This request ended without an answer; send it again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A line of a result file, with its line feed."""

    text: bytes
    failed: bool


def result_of(line: Line, request_id: str, job: Job | None, outcome: str | None) -> Result:
    """What became of the line; `job` None: it never became one."""
    head = {"id": f"batch_{request_id}", "custom_id": line.custom_id}
    if job is not None and job.answer is not None:
        response = from_json(InferenceResponse, orjson.loads(job.answer))
        told = {
            "status_code": 200,
            "request_id": request_id,
            "body": orjson.Fragment(_body(line, response, int(job.created_s))),
        }
        more = {"tierwise": _tierwise(response)}
        return _result({**head, "response": told, "error": None, **more}, failed=False)
    if job is not None and job.problem is not None:
        status, error = _openai_problem(orjson.loads(job.problem))
        told = {"status_code": status, "request_id": request_id, "body": {"error": error}}
        short = {"code": error["code"], "message": error["message"]}
        return _result({**head, "response": told, "error": short}, failed=True)
    code, message = _NEVER_RUN.get(outcome or "", _LOST)
    return _result({**head, "response": None, "error": {"code": code, "message": message}}, failed=True)


def _result(members: dict[str, Any], *, failed: bool) -> Result:
    return Result(text=orjson.dumps(members) + b"\n", failed=failed)


def _body(line: Line, response: InferenceResponse, created_s: int) -> bytes:
    """What the endpoint itself would have answered."""
    body = line.body
    if isinstance(body, ChatBody):
        return chat_completion(response, created_s)
    if isinstance(body, CompletionBody):
        echo = str(body.prompt) if body.echo else ""
        return text_completion(response.request_id, [response], [echo], created_s)
    if isinstance(body, EmbeddingsBody):
        return embedding_list(response, as_base64=body.encoding_format == "base64")
    return answers.encode(ResponseShape(response.request_id, created_s, body).ended(response))


def _tierwise(response: InferenceResponse) -> dict[str, Any]:
    served = response.served
    return {"tier": served.tier, "target": served.target, "cost_usd": response.cost_usd}


def _openai_problem(problem: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """A stored problem in OpenAI's dialect: the status that the endpoint would have answered with, and its error."""
    code = str(problem.get("type", "")).rpartition(":")[2] or "internal_error"
    status = int(problem.get("status", 500))
    if code == "no_permitted_target":
        status = 400
    field = problem.get("field")
    error = {
        "message": problem.get("detail", ""),
        "type": "invalid_request_error" if status < 500 else "server_error",
        "param": None if field is None else str(field).removeprefix("$."),
        "code": code,
    }
    if "rejected" in problem:
        error["rejected"] = problem["rejected"]
    return status, error
