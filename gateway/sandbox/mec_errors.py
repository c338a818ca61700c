"""Errors in the form vLLM gives them."""

from __future__ import annotations

from typing import Any

from gateway.sandbox.faults import Step

_TYPES = {400: "BadRequestError", 404: "NotFoundError", 413: "BadRequestError", 429: "RateLimitError"}


class ApiError(Exception):
    """An error answer: HTTP status, message, vLLM's type (by default the one of the status), the field at fault."""

    def __init__(self, status: int, message: str, kind: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind or _TYPES.get(status, "InternalServerError")
        self.param = param
        self.headers: dict[str, str] = {}

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        error = {"message": str(self), "type": self.kind, "param": self.param, "code": self.status}
        return {"error": error}


def scripted(step: Step) -> ApiError:
    """The error that a script asks for."""
    error = ApiError(step.status or 500, step.message, step.error)
    if step.retry_after is not None:
        error.headers["retry-after"] = f"{step.retry_after:g}"
    return error
