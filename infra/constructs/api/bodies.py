"""What API Gateway checks of a body before a function is paid for, and what it says when it refuses by itself.

The check is coarse on purpose: types at the top level, and that there is something to answer. Everything else, with
the field's name in the error, is the product's own validation, which is the same behind every host. `stream: true`
passes here and is answered 422 by the product: API Gateway would hold a stream back until its end.
"""

from __future__ import annotations

import json
from typing import Any, Final

from aws_cdk import aws_apigateway as apigateway

_TYPE = apigateway.JsonSchemaType
_OBJECT: Final = apigateway.JsonSchema(type=_TYPE.OBJECT)
_NULLABLE_OBJECT: Final = apigateway.JsonSchema(type=[_TYPE.OBJECT, _TYPE.NULL])


def inference() -> apigateway.JsonSchema:
    """`POST /inference` and `POST /explain`: exactly one of `messages` and `input`."""
    return apigateway.JsonSchema(
        schema=apigateway.JsonSchemaVersion.DRAFT4,
        title="Inference",
        type=_TYPE.OBJECT,
        properties={
            "messages": apigateway.JsonSchema(type=_TYPE.ARRAY, min_items=1, max_items=2048, items=_OBJECT),
            "input": apigateway.JsonSchema(type=_TYPE.STRING, min_length=1),
            "stream": apigateway.JsonSchema(type=_TYPE.BOOLEAN),
            "mode": apigateway.JsonSchema(type=_TYPE.STRING, enum=["sync", "async"]),
            **{name: _NULLABLE_OBJECT for name in ("params", "preferences", "device", "network", "privacy")},
        },
        one_of=[
            apigateway.JsonSchema(required=["messages"]),
            apigateway.JsonSchema(required=["input"]),
        ],
    )


def feedback() -> apigateway.JsonSchema:
    """`POST /inference/{id}/feedback`."""
    return apigateway.JsonSchema(
        schema=apigateway.JsonSchemaVersion.DRAFT4,
        title="Feedback",
        type=_TYPE.OBJECT,
        required=["score"],
        properties={"score": apigateway.JsonSchema(type=_TYPE.NUMBER, minimum=0, maximum=1)},
    )


def whole() -> apigateway.JsonSchema:
    """A JSON object; which one is the product's matter."""
    return apigateway.JsonSchema(schema=apigateway.JsonSchemaVersion.DRAFT4, title="Whole", type=_TYPE.OBJECT)


REFUSALS: Final[dict[str, tuple[str, int, str]]] = {
    "BAD_REQUEST_BODY": ("Refused", 400, "The body does not have the form that this address takes."),
    "UNAUTHORIZED": ("Unauthorized", 401, "A bearer key is needed."),
    "ACCESS_DENIED": ("Denied", 403, "This key may not do that."),
    "INVALID_API_KEY": ("NoPlan", 403, "This key belongs to no usage plan."),
    "WAF_FILTERED": ("Filtered", 403, "The request was filtered."),
    "MISSING_AUTHENTICATION_TOKEN": ("NoRoute", 404, "There is nothing at this address."),
    "REQUEST_TOO_LARGE": ("TooLarge", 413, "The body is too large."),
    "UNSUPPORTED_MEDIA_TYPE": ("MediaType", 415, "The body must be JSON."),
    "THROTTLED": ("Throttled", 429, "Too many requests."),
    "QUOTA_EXCEEDED": ("Quota", 429, "The day's requests are used up."),
    "AUTHORIZER_FAILURE": ("NoAuthorizer", 503, "Keys cannot be checked at the moment."),
    "AUTHORIZER_CONFIGURATION_ERROR": ("BadAuthorizer", 503, "Keys cannot be checked at the moment."),
    "INTEGRATION_FAILURE": ("Failed", 502, "The request could not be answered."),
    "INTEGRATION_TIMEOUT": ("TimedOut", 504, "The answer took longer than the API waits; use mode async."),
}
"""API Gateway's own refusals as what we say everywhere: id, status, detail. Never what the caller sent."""
_TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def problem(status: int, detail: str) -> str:
    """The body of a refusal, as a template of API Gateway."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES[status],
        "status": status,
        "detail": detail,
    }
    return json.dumps({**body, "request_id": "$context.requestId"})
