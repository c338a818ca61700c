"""The event of a Lambda proxy integration, as API Gateway's REST APIs send it."""

from __future__ import annotations

import base64
import fnmatch
import time
import uuid
from typing import Any

from moto.apigateway.models import Resource, RestAPI
from werkzeug.wrappers import Request

from tests.localaws import address


def is_binary(api: RestAPI, content_type: str) -> bool:
    """True when the API treats this media type as bytes."""
    kind = content_type.split(";")[0].strip()
    return any(fnmatch.fnmatch(kind, pattern) for pattern in api.binaryMediaTypes or [] if kind)


def proxy_event(request: Request, api: RestAPI, resource: Resource, stage: str, path: str) -> dict[str, Any]:
    """Everything but the path parameters and what the authorizer adds."""
    body = request.get_data()
    binary = bool(body) and is_binary(api, request.content_type or "")
    names = list(dict.fromkeys(request.headers.keys()))
    queries = request.args.to_dict(flat=False)
    return {
        "resource": resource.get_path(),
        "path": path,
        "httpMethod": request.method,
        "headers": {name: request.headers[name] for name in names},
        "multiValueHeaders": {name: request.headers.getlist(name) for name in names},
        "queryStringParameters": {name: values[-1] for name, values in queries.items()} or None,
        "multiValueQueryStringParameters": queries or None,
        "pathParameters": None,
        "stageVariables": api.stages[stage].variables or None,
        "requestContext": _context(request, api, resource, stage, path),
        "body": (base64.b64encode(body).decode() if binary else body.decode(errors="replace")) or None,
        "isBase64Encoded": binary,
    }


def _context(request: Request, api: RestAPI, resource: Resource, stage: str, path: str) -> dict[str, Any]:
    return {
        "accountId": address.ACCOUNT,
        "apiId": api.id,
        "authorizer": None,
        "domainName": f"{api.id}.execute-api.{address.REGION}.amazonaws.com",
        "extendedRequestId": uuid.uuid4().hex,
        "httpMethod": request.method,
        "identity": {
            "sourceIp": request.remote_addr,
            "userAgent": request.headers.get("user-agent"),
            "apiKey": None,
        },
        "path": f"/{stage}{path}",
        "protocol": "HTTP/1.1",
        "requestId": str(uuid.uuid4()),
        "requestTimeEpoch": int(time.time() * 1_000),
        "resourceId": resource.id,
        "resourcePath": resource.get_path(),
        "stage": stage,
    }
