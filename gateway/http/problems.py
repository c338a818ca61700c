"""Which HTTP status an error has and how its body looks: RFC 9457 on our paths, OpenAI's shape under `/v1`.

One table decides both, so the two dialects cannot drift apart. Nothing here says more than the error's own sentence:
those sentences hold no secret and no upstream address by the rule of `router_core.errors`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import orjson

from gateway.http import refusals
from router_core import errors
from router_core.record import dataclass

_LONGEST_DETAIL: Final = 600


@dataclass(frozen=True, slots=True)
class Kind:
    """How one class of error is shown. `code` is also the end of the problem's `type`."""

    status: int
    title: str
    code: str
    openai_type: str = "invalid_request_error"


_KINDS: Final[dict[type[Exception], Kind]] = {
    refusals.UnauthorizedError: Kind(401, "Unauthorized", "invalid_api_key"),
    refusals.MethodError: Kind(405, "Method not allowed", "method_not_allowed"),
    refusals.SlowBodyError: Kind(408, "Request timeout", "body_timeout"),
    refusals.MediaTypeError: Kind(415, "Unsupported media type", "unsupported_media_type"),
    refusals.UnprocessableError: Kind(422, "Unprocessable", "not_available_here"),
    refusals.DrainingError: Kind(503, "Stopping", "draining", "server_error"),
    refusals.ModelNotFoundError: Kind(404, "Not found", "model_not_found"),
    errors.NotFoundError: Kind(404, "Not found", "not_found"),
    errors.GuardBlockedError: Kind(403, "Blocked by guard", "guard_blocked", "permission_error"),
    errors.GuardUnavailableError: Kind(503, "Guard not available", "guard_unavailable", "server_error"),
    errors.ForbiddenError: Kind(403, "Forbidden", "forbidden", "permission_error"),
    errors.ConflictError: Kind(409, "Conflict", "conflict"),
    errors.KeyExpiredError: Kind(403, "Key expired", "provider_key_expired", "permission_error"),
    errors.TooLargeError: Kind(413, "Too large", "too_large"),
    errors.RateLimitedError: Kind(429, "Too many requests", "rate_limit_exceeded", "rate_limit_error"),
    errors.RequestError: Kind(400, "Bad request", "invalid_request"),
    errors.NoPermittedTargetError: Kind(422, "No target permitted", "no_permitted_target"),
    errors.NoCapacityError: Kind(503, "No capacity", "no_capacity", "server_error"),
    errors.NoTargetError: Kind(503, "No target", "no_target", "server_error"),
    errors.AllTargetsFailedError: Kind(502, "Every target failed", "all_targets_failed", "server_error"),
    errors.ThrottledError: Kind(503, "Targets throttled", "throttled", "server_error"),
    errors.TimeoutTargetError: Kind(504, "Target timed out", "target_timeout", "server_error"),
    errors.TargetError: Kind(502, "Target failed", "target_failed", "server_error"),
    errors.DeadlineError: Kind(504, "Deadline passed", "deadline", "server_error"),
    errors.LostError: Kind(500, "Stage lost", "stage_lost", "server_error"),
    errors.StoreError: Kind(503, "Storage not available", "store_unavailable", "server_error"),
    errors.ConfigurationError: Kind(500, "Configuration error", "configuration", "server_error"),
}
_INTERNAL: Final = Kind(500, "Internal error", "internal_error", "server_error")
_DEFAULT_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error ready to be sent. `extra` are the members beyond RFC 9457's own."""

    kind: Kind
    detail: str
    field: str | None
    extra: dict[str, Any]
    retry_after_s: int | None

    @property
    def status(self) -> int:
        return self.kind.status

    def members(self, request_id: str) -> dict[str, Any]:
        """The RFC 9457 object."""
        body = {
            "type": f"urn:tierwise:problem:{self.kind.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.field is not None:
            body["field"] = self.field
        return body | self.extra

    def openai(self, request_id: str) -> dict[str, Any]:
        """OpenAI's error object, with our members beside theirs."""
        error = {
            "message": self.detail,
            "type": self.kind.openai_type,
            # OpenAI names the field itself; ours is a JSON path from the root.
            "param": None if self.field is None else self.field.removeprefix("$."),
            "code": self.kind.code,
            "request_id": request_id,
        }
        return {"error": error | self.extra}

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that belong to this problem alone."""
        found: list[tuple[bytes, bytes]] = []
        if self.retry_after_s is not None:
            found.append((b"retry-after", str(self.retry_after_s).encode()))
        if self.kind.status == 401:
            found.append((b"www-authenticate", b'Bearer realm="tierwise"'))
        if isinstance(allow := self.extra.get("allow"), str):
            found.append((b"allow", allow.encode()))
        return found


def problem_of(error: Exception, *, openai: bool = False) -> Problem:
    """How `error` is shown; an unforeseen one becomes 500 and keeps its words to itself."""
    kind = kind_of(error)
    if kind is _INTERNAL:
        return Problem(
            kind=kind, detail="this should not have happened", field=None, extra={}, retry_after_s=None
        )
    if openai and isinstance(error, errors.NoPermittedTargetError):
        kind = Kind(400, kind.title, kind.code)
    return Problem(
        kind=kind,
        detail=str(error)[:_LONGEST_DETAIL],
        field=getattr(error, "field", None),
        extra=_extra(error),
        retry_after_s=_retry_after(error, kind),
    )


def kind_of(error: Exception) -> Kind:
    """The nearest entry of the table along the class's ancestors; throttled to the end counts as busy."""
    if isinstance(error, errors.AllTargetsFailedError) and isinstance(error.last, errors.ThrottledError):
        return _KINDS[errors.ThrottledError]
    return next((_KINDS[cls] for cls in type(error).__mro__ if cls in _KINDS), _INTERNAL)


def _extra(error: Exception) -> dict[str, Any]:
    if isinstance(error, errors.NoTargetError):
        return {"rejected": dict(error.rejected)}
    if isinstance(error, (errors.AllTargetsFailedError, errors.DeadlineError)):
        return {"attempts": attempts(error.attempts)}
    if isinstance(error, (errors.GuardBlockedError, errors.GuardUnavailableError)):
        return {"rules": list(error.rules)}
    if isinstance(error, refusals.MethodError):
        return {"allow": error.allow}
    return {}


def _retry_after(error: Exception, kind: Kind) -> int | None:
    """Whole seconds, at least one; 429 and 503 always say when to come back."""
    if kind.status not in (429, 503):
        return None
    told = getattr(error, "retry_after_s", None)
    if told is None:
        told = getattr(getattr(error, "last", None), "retry_after_s", None)
    wanted = float(told) if told is not None else _DEFAULT_RETRY_S
    return max(1, math.ceil(wanted)) if math.isfinite(wanted) else 1


def attempts(made: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Attempts as callers see them; what they cost stays with the answer's own figures."""
    return [
        {"target": a.target, "outcome": a.outcome, "latency_ms": round(a.latency_ms, 3), "error": a.error}
        for a in made
    ]


def encoded(problem: Problem, request_id: str, *, openai: bool) -> bytes:
    """The body bytes in the dialect of the path."""
    return orjson.dumps(problem.openai(request_id) if openai else problem.members(request_id))
