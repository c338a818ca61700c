"""Which core error each error of Bedrock and SageMaker means; complete, as tests compare it with the services' own
descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from router_core.adapters.wire.http_errors import retry_after_s, status_error, summary
from router_core.errors import RefusedError, TargetError, ThrottledError, TimeoutTargetError, UnavailableError

ERRORS: Final[Mapping[str, type[TargetError]]] = {
    # Declared by Bedrock.
    "AccessDeniedException": RefusedError,
    "ConflictException": RefusedError,
    "InternalServerException": UnavailableError,
    "ModelErrorException": UnavailableError,
    "ModelNotReadyException": ThrottledError,
    "ModelStreamErrorException": UnavailableError,
    "ModelTimeoutException": UnavailableError,
    "ResourceNotFoundException": RefusedError,
    "ServiceQuotaExceededException": ThrottledError,
    "ServiceUnavailableException": UnavailableError,
    "ThrottlingException": ThrottledError,
    "ValidationException": RefusedError,
    # Declared by SageMaker.
    "InternalDependencyException": UnavailableError,
    "InternalStreamFailure": UnavailableError,
    "ModelError": UnavailableError,
    "ModelStreamError": UnavailableError,
    "ServiceUnavailable": UnavailableError,
    "ValidationError": RefusedError,
    # Common to AWS services.
    "ExpiredTokenException": RefusedError,
    "IncompleteSignatureException": RefusedError,
    "InternalFailure": UnavailableError,
    "InvalidSignatureException": RefusedError,
    "MissingAuthenticationTokenException": RefusedError,
    "NotAuthorized": RefusedError,
    "OptInRequired": RefusedError,
    "RequestEntityTooLargeException": RefusedError,
    "RequestExpired": RefusedError,
    "RequestTimeoutException": TimeoutTargetError,
    "SerializationException": RefusedError,
    "TooManyRequestsException": ThrottledError,
    "UnknownOperationException": RefusedError,
    "UnrecognizedClientException": RefusedError,
}
# Whose words are about the request. Those of the others name accounts and roles.
_TOLD: Final = frozenset(
    {"ValidationException", "ValidationError", "SerializationException", "RequestEntityTooLargeException"}
)
_SENTENCES: Final[Mapping[type[TargetError], str]] = {
    UnavailableError: "the target failed",
    TimeoutTargetError: "the target did not answer in time",
    RefusedError: "the target refused the request",
}


def error_of(code: str, message: object, headers: Mapping[bytes, bytes]) -> TargetError | None:
    """The core error of an AWS error code; None for a code that is not in the table."""
    kind = ERRORS.get(code)
    if kind is None:
        return None
    if kind is ThrottledError:
        return ThrottledError("the target asks for fewer requests", retry_after_s=retry_after_s(headers))
    told = summary(message) if code in _TOLD else ""
    return kind(f"{_SENTENCES[kind]} ({code})" + (f": {told}" if told else ""))


def answer_error(status: int, headers: Mapping[bytes, bytes], body: bytes) -> TargetError:
    """The error of an answer with another status than 200: by its code, else by its status."""
    try:
        told = orjson.loads(body)
    except ValueError:
        told = None
    fields: Mapping[str, Any] = told if isinstance(told, dict) else {}
    given = headers.get(b"x-amzn-errortype", b"").decode("latin-1") or str(fields.get("__type", ""))
    # Forms seen on the wire: "Code", "Code:http://...", "namespace#Code".
    code = given.split(":")[0].split("#")[-1]
    if code == "ModelError" and isinstance(original := fields.get("OriginalStatusCode"), int):
        # SageMaker wraps what the container said; its status tells who is to blame.
        return status_error(original, headers, summary(fields.get("OriginalMessage")))
    message = fields.get("message", fields.get("Message"))
    return error_of(code, message, headers) or status_error(status, headers)


def event_error(headers: Mapping[str, str], payload: bytes, reply: Mapping[bytes, bytes]) -> TargetError:
    """The error of an exception or error event inside a stream."""
    given = headers.get(":exception-type") or headers.get(":error-code", "")
    try:
        told = orjson.loads(payload)
    except ValueError:
        told = None
    message = told.get("message") if isinstance(told, dict) else None
    error = error_of(given[:1].upper() + given[1:], message, reply)
    return error or UnavailableError("the target reported an error in its stream")
