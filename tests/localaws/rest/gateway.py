"""The data plane of API Gateway REST APIs: requests to `/_gw/{api}/{stage}/{path}` run through the deployed API.

In API Gateway's own order: size, route, authorizer, API key, limits, validation, integration; each refusal has the status
and the words that API Gateway gives, changed by the API's gateway responses. It is a WSGI application beside moto's.
"""

from __future__ import annotations

import base64
import concurrent.futures
import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from moto.apigateway.models import APIGatewayBackend, Method, RestAPI, apigateway_backends
from werkzeug.wrappers import Request, Response

from tests.localaws import address
from tests.localaws.invocation import call
from tests.localaws.rest.access import Authorizers, Caller, Limits, admit_key
from tests.localaws.rest.event import is_binary, proxy_event
from tests.localaws.rest.refusal import Refusal
from tests.localaws.rest.routes import find_route

PREFIX: Final = "/_gw/"
MAX_BODY_BYTES: Final = 10 * 1024 * 1024
MAX_WAIT_S: Final = 29.0
Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Gateway:
    """All deployed APIs."""

    def __init__(self) -> None:
        self._authorizers = Authorizers()
        self._limits = Limits()
        self._threads = concurrent.futures.ThreadPoolExecutor(64, "integration")

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        request = Request(environ)
        backend = apigateway_backends[address.ACCOUNT][address.REGION]
        _, _, api_id, stage, *parts = request.path.split("/")
        api = backend.apis.get(api_id)
        if api is None or stage not in api.stages:
            return Refusal(403, "ACCESS_DENIED", "Forbidden").answer(None)(environ, start)
        try:
            response = self._serve(request, backend, api, stage, "/" + "/".join(parts))
        except Refusal as refusal:
            response = refusal.answer(api)
        response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return response(environ, start)

    def _serve(
        self, request: Request, backend: APIGatewayBackend, api: RestAPI, stage: str, path: str
    ) -> Response:
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise Refusal(413, "REQUEST_TOO_LARGE", "Request Too Long")
        resource, method, parameters = find_route(api, request.method, path)
        caller = Caller()
        if method.authorization_type == "CUSTOM":
            authorizer = api.authorizers[str(method.authorizer_id)]
            arn = f"arn:aws:execute-api:{address.REGION}:{address.ACCOUNT}:{api.id}/{stage}/{request.method}{path}"
            caller = self._authorizers.admit(authorizer, request, arn)
        if method.api_key_required:
            given = caller.key if api.api_key_source == "AUTHORIZER" else request.headers.get("x-api-key")
            key = admit_key(backend, api.id, stage, given)
            self._limits.spend_plan(backend, key)
        self._limits.spend_stage(api, stage, resource.get_path(), request.method)
        _validate(api, method, request)
        event = proxy_event(request, api, resource, stage, path)
        event["pathParameters"] = parameters or None
        event["requestContext"]["authorizer"] = caller.context or None
        event["requestContext"]["identity"]["apiKey"] = caller.key or request.headers.get("x-api-key")
        return self._integrate(method, event, api, request)

    def _integrate(self, method: Method, event: dict[str, Any], api: RestAPI, request: Request) -> Response:
        integration = method.method_integration
        if integration is None:
            raise Refusal(500, "API_CONFIGURATION_ERROR", "Internal server error")
        if integration.integration_type == "MOCK":
            return Response(status=204)
        if integration.integration_type != "AWS_PROXY":
            raise Refusal(
                501, "API_CONFIGURATION_ERROR", f"{integration.integration_type} is not served here"
            )
        function = function_of(str(integration.uri))
        waiting = self._threads.submit(call, function, event, request.headers.get("x-amzn-trace-id"))
        try:
            result = waiting.result(MAX_WAIT_S)
        except concurrent.futures.TimeoutError:
            raise Refusal(504, "INTEGRATION_TIMEOUT", "Endpoint request timed out") from None
        answer = None if result.failed else json.loads(result.payload)
        if not isinstance(answer, dict) or "statusCode" not in answer:
            raise Refusal(502, "INTEGRATION_FAILURE", "Internal server error")
        return _response(answer, api, request)


def function_of(uri: str) -> Any:
    """The function that an integration's or authorizer's URI names."""
    from moto.awslambda.models import lambda_backends

    arn = uri.split("/functions/", 1)[1].removesuffix("/invocations")
    return lambda_backends[address.ACCOUNT][address.REGION].get_function(arn)


def _response(answer: dict[str, Any], api: RestAPI, request: Request) -> Response:
    body = answer.get("body") or ""
    headers = {**(answer.get("headers") or {})}
    # The bytes are given back only to a caller whose Accept is among the API's binary types.
    accepted = request.headers.get("accept", "").split(",")[0].strip()
    if answer.get("isBase64Encoded") and is_binary(api, accepted):
        body = base64.b64decode(body)
    response = Response(body, int(answer["statusCode"]))
    response.headers["content-type"] = "application/json"
    for name, value in headers.items():
        response.headers[name] = str(value)
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        response.headers.setlist(name, [str(value) for value in values])
    return response


def _validate(api: RestAPI, method: Method, request: Request) -> None:
    validator = api.request_validators.get(str(method.request_validator_id))
    models = method.request_models or {}
    kind = (request.content_type or "application/json").split(";")[0]
    name = models.get(kind) or models.get("$default")
    if validator is None or not validator.validate_request_body or name is None:
        return
    import jsonschema

    model = next(model for model in api.models.values() if model.name == name)
    schema = json.loads(str(model.schema))
    try:
        jsonschema.Draft4Validator(schema).validate(json.loads(request.get_data() or b"null"))
    except (ValueError, jsonschema.ValidationError):
        raise Refusal(400, "BAD_REQUEST_BODY", "Invalid request body") from None
