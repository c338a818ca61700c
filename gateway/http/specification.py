"""The OpenAPI document. FastAPI knows its own endpoints; the busy paths are added from the bodies they decode.

There is one declaration per body: what validates a request is what the document shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.http.batches.bodies import BatchBody
from gateway.http.wire.chat import ChatBody, CompletionBody
from gateway.http.wire.device import OutcomesBody
from gateway.http.wire.embeddings import EmbeddingsBody
from gateway.http.wire.inference import FeedbackBody, InferenceBody, OutcomeBody
from gateway.http.wire.responses import ResponsesBody
from router_core.record import dataclass

_REFERENCE: Final = "#/components/schemas/{name}"
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "field": {"type": "string", "description": "JSON path of what is wrong"},
        "rejected": {"type": "object", "additionalProperties": {"type": "string"}},
        "attempts": {"type": "array", "items": {"type": "object"}},
    },
}
_OPENAI_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """One path and method; `streams` when the answer may be server-sent events, `done` the statuses of success."""

    path: str
    method: str
    summary: str
    body: type[msgspec.Struct] | None = None
    streams: bool = False
    done: tuple[int, ...] = (200,)

    def as_document(self) -> dict[str, Any]:
        openai = self.path.startswith("/v1/")
        document: dict[str, Any] = {
            "summary": self.summary,
            "tags": ["openai" if openai else "inference"],
            "operationId": f"{self.method}{self.path}".replace("/", "_").replace("{", "").replace("}", ""),
            "security": [{"key": []}],
            "parameters": [_parameter(name) for name in _names(self.path)],
            "responses": {str(status): self._success(status) for status in self.done},
        }
        if self.path == "/inference":
            document["parameters"].append(_IDEMPOTENCY)
        error = ("application/json", "OpenAIError") if openai else ("application/problem+json", "Problem")
        document["responses"]["default"] = {
            "description": "What went wrong",
            "content": {error[0]: {"schema": {"$ref": _REFERENCE.format(name=error[1])}}},
        }
        if self.body is not None:
            reference = {"$ref": _REFERENCE.format(name=self.body.__name__)}
            document["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": reference}},
            }
        return document

    def _success(self, status: int) -> dict[str, Any]:
        if status == 204:
            return {"description": "Taken"}
        content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
        if self.streams and status == 200:
            content["text/event-stream"] = {"schema": {"type": "string"}}
        return {"description": "Accepted" if status == 202 else "The answer", "content": content}


_IDEMPOTENCY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key and body within 24 hours get the first answer again; another body is 409.",
}
_OPERATIONS: Final = (
    _Operation(
        path="/inference",
        method="post",
        summary="Answer a request on the best tier",
        body=InferenceBody,
        streams=True,
        done=(200, 202),
    ),
    _Operation(path="/explain", method="post", summary="Decide, and do not execute", body=InferenceBody),
    _Operation(path="/inference/{request_id}", method="get", summary="A job, an answer or a stored decision"),
    _Operation(
        path="/inference/{request_id}/events",
        method="get",
        summary="The same as it changes: server-sent events `state`, then `done` or `error`",
        streams=True,
    ),
    _Operation(
        path="/inference/{request_id}/feedback",
        method="post",
        summary="Judge an answer",
        body=FeedbackBody,
        done=(204,),
    ),
    _Operation(
        path="/inference/{request_id}/outcome",
        method="post",
        summary="Report what a device made of its plan",
        body=OutcomeBody,
        done=(204,),
    ),
    _Operation(path="/decisions", method="get", summary="Your own newest decisions"),
    _Operation(path="/prices", method="get", summary="What the targets cost that you may use"),
    _Operation(path="/device/bundle", method="get", summary="Signed policy and catalogue for devices"),
    _Operation(
        path="/device/outcomes",
        method="post",
        summary="Report what devices ran by themselves; sent again it changes nothing",
        body=OutcomesBody,
    ),
    _Operation(path="/v1/chat/completions", method="post", summary="Chat", body=ChatBody, streams=True),
    _Operation(
        path="/v1/completions", method="post", summary="Text completion", body=CompletionBody, streams=True
    ),
    _Operation(
        path="/v1/responses", method="post", summary="Stateless response", body=ResponsesBody, streams=True
    ),
    _Operation(path="/v1/embeddings", method="post", summary="Vectors of texts", body=EmbeddingsBody),
    _Operation(
        path="/v1/files",
        method="post",
        summary="Upload a file of JSON Lines for a batch (multipart/form-data)",
    ),
    _Operation(path="/v1/files", method="get", summary="Your files"),
    _Operation(path="/v1/files/{file_id}", method="get", summary="One of them"),
    _Operation(path="/v1/files/{file_id}", method="delete", summary="Delete it"),
    _Operation(path="/v1/files/{file_id}/content", method="get", summary="What is in it"),
    _Operation(
        path="/v1/batches", method="post", summary="Answer a file of requests within a day", body=BatchBody
    ),
    _Operation(path="/v1/batches", method="get", summary="Your batches"),
    _Operation(path="/v1/batches/{batch_id}", method="get", summary="How far one is"),
    _Operation(path="/v1/batches/{batch_id}/cancel", method="post", summary="Start no further line of it"),
    _Operation(path="/v1/models", method="get", summary="Names that `model` may hold"),
    _Operation(path="/v1/models/{model}", method="get", summary="One of them"),
)


def document_paths(api: FastAPI) -> None:
    """Makes `/openapi.json` speak of every path."""
    own: dict[str, Any] = {}

    def whole() -> dict[str, Any]:
        if not own:
            own.update(_document(api))
        return own

    described: Callable[[], dict[str, Any]] = whole
    # FastAPI names replacing this method as its way to extend the document.
    setattr(api, "openapi", described)  # noqa: B010 - a plain assignment to a method is what mypy refuses


def _document(api: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=api.title, version=api.version, summary=api.summary, routes=api.routes)
    for path in document["paths"].values():
        for operation in path.values():
            if operation.get("tags") == ["admin"]:
                operation["security"] = [{"key": []}]
    for operation in _OPERATIONS:
        document["paths"].setdefault(operation.path, {})[operation.method] = operation.as_document()
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    bodies = [operation.body for operation in _OPERATIONS if operation.body is not None]
    _, derived = msgspec.json.schema_components(bodies, ref_template=_REFERENCE)
    schemas = components.setdefault("schemas", {})
    schemas |= derived | {"Problem": _PROBLEM, "OpenAIError": _OPENAI_ERROR}
    return document


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
