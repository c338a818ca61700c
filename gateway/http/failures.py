"""Errors of FastAPI's own endpoints, in the same dialects and with the same statuses as everywhere else."""

from __future__ import annotations

import logging
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway.http.faults import note
from gateway.http.problems import encoded, problem_of
from gateway.http.refusals import MethodError
from router_core.errors import NotFoundError, RequestError, TierwiseError

_LOG: Final = logging.getLogger("tierwise.http")


def add_failures(api: FastAPI) -> None:
    """Every way an endpoint can fail becomes a problem body."""
    api.add_exception_handler(TierwiseError, _refused)
    api.add_exception_handler(HTTPException, _by_framework)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(Exception, _unforeseen)


async def _refused(request: Request, error: Exception) -> Response:
    path: str = request.scope["path"]
    openai = path.startswith("/v1/")
    problem = problem_of(error, openai=openai)
    request_id: str = request.scope.get("tierwise.request_id", "")
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    headers["content-type"] = "application/json" if openai else "application/problem+json"
    return Response(encoded(problem, request_id, openai=openai), status_code=problem.status, headers=headers)


async def _by_framework(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, and bodies FastAPI itself could not read."""
    status = getattr(error, "status_code", 400)
    allow = (getattr(error, "headers", None) or {}).get("Allow", "")
    ours: dict[int, TierwiseError] = {404: NotFoundError("there is nothing here"), 405: MethodError(allow)}
    return await _refused(request, ours.get(status, RequestError("the request cannot be read")))


async def _invalid(request: Request, error: Exception) -> Response:
    found: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    first: dict[str, Any] = found[0] if found else {"loc": (), "msg": "invalid"}
    where = ".".join(str(part) for part in first["loc"])
    return await _refused(request, RequestError(f"{first['msg']} at {where}", field=where))


async def _unforeseen(request: Request, error: Exception) -> Response:
    note(_LOG, error, request.scope.get("tierwise.request_id", ""))
    return await _refused(request, error)
