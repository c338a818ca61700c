"""Who may call a deployed API and how often: Lambda authorizers with their cache, API keys of usage plans, throttling."""

from __future__ import annotations

import fnmatch
import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from moto.apigateway.models import APIGatewayBackend, ApiKey, Authorizer, RestAPI
from werkzeug.wrappers import Request

from tests.localaws.invocation import call
from tests.localaws.rest.refusal import Refusal

DEFAULT_TTL_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What the authorizer said of the caller: context for the function, and the API key to charge."""

    context: dict[str, Any] = field(default_factory=dict)
    key: str | None = None


class Authorizers:
    """Asks Lambda authorizers and remembers what they said, per authorizer and identity."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}

    def admit(self, authorizer: Authorizer, request: Request, arn: str) -> Caller:
        """The caller. Raises Refusal: 401 without identity or when the function says so, 403 when its policy denies."""
        identity = _identity(authorizer, request)
        expected = authorizer.identity_validation_expression
        if not all(identity) or (expected and not re.match(expected, identity[0])):
            raise Refusal(401, "UNAUTHORIZED", "Unauthorized")
        key = (str(authorizer.id), "\n".join(identity))
        until, answer = self._said.get(key, (0.0, {}))
        if until < time.monotonic():
            answer = _ask(authorizer, request, identity[0], arn)
            ttl = authorizer.authorizer_result_ttl
            self._said[key] = (time.monotonic() + (DEFAULT_TTL_S if ttl is None else float(ttl)), answer)
        if not allows(answer.get("policyDocument", {}), arn):
            raise Refusal(403, "ACCESS_DENIED", "User is not authorized to access this resource")
        context = {name: _as_text(value) for name, value in (answer.get("context") or {}).items()}
        return Caller(
            context={**context, "principalId": answer["principalId"]}, key=answer.get("usageIdentifierKey")
        )


def _identity(authorizer: Authorizer, request: Request) -> list[str]:
    sources = str(authorizer.identity_source or "method.request.header.Authorization").split(",")
    return [request.headers.get(source.strip().rsplit(".", 1)[1], "") for source in sources]


def _ask(authorizer: Authorizer, request: Request, token: str, arn: str) -> dict[str, Any]:
    from tests.localaws.rest.gateway import function_of

    event: dict[str, Any] = {"type": authorizer.type, "methodArn": arn}
    if authorizer.type == "TOKEN":
        event["authorizationToken"] = token
    else:
        event |= {"headers": dict(request.headers), "httpMethod": request.method, "path": request.path}
    result = call(function_of(str(authorizer.authorizer_uri)), event)
    answer = json.loads(result.payload)
    if result.failed and answer.get("errorMessage") == "Unauthorized":
        raise Refusal(401, "UNAUTHORIZED", "Unauthorized")
    if result.failed or "principalId" not in answer:
        raise Refusal(500, "AUTHORIZER_CONFIGURATION_ERROR", None)
    return dict(answer)


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def allows(policy: dict[str, Any], arn: str) -> bool:
    """True when a statement allows the method and none denies it."""
    effects = {
        statement["Effect"]
        for statement in policy.get("Statement", [])
        if _covers(statement["Resource"], arn)
    }
    return effects == {"Allow"}


def _covers(resource: str | list[str], arn: str) -> bool:
    patterns = [resource] if isinstance(resource, str) else resource
    return any(fnmatch.fnmatchcase(arn, pattern) for pattern in patterns)


def admit_key(backend: APIGatewayBackend, api: str, stage: str, given: str | None) -> ApiKey:
    """The enabled key of that value in a plan of this stage. Raises Refusal for any other."""
    key = next((key for key in backend.keys.values() if given and key.value == given), None)
    if key is None or not key.enabled or not _plans(backend, key, api, stage):
        raise Refusal(403, "INVALID_API_KEY", "Forbidden")
    return key


def _plans(backend: APIGatewayBackend, key: ApiKey, api: str, stage: str) -> bool:
    stages = [stage for plan in backend.get_usage_plans(key.id) for stage in plan.api_stages]
    return any(one.get("apiId") == api and one.get("stage") == stage for one in stages)


class Limits:
    """Token buckets of stages and of keys in their usage plans, and the plans' quotas."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}
        self._used: dict[tuple[str, str], int] = {}

    def spend_stage(self, api: RestAPI, stage: str, path: str, verb: str) -> None:
        """One request of the method's own rate, or of the stage's. Raises Refusal."""
        known = api.stages[stage].method_settings
        own = f"{path.replace('/', '~1')}/{verb}"
        name = own if own in known else "*/*"
        settings = known.get(name, {})
        rate, burst = settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")
        self._spend(f"{api.id}/{stage}/{name}", rate, burst)

    def spend_plan(self, backend: APIGatewayBackend, key: ApiKey) -> None:
        """One request of the key's rate and quota. Raises Refusal."""
        for plan in backend.get_usage_plans(key.id):
            throttle = plan.throttle or {}
            self._spend(f"{plan.id}/{key.id}", throttle.get("rateLimit"), throttle.get("burstLimit"))
            limit = (plan.quota or {}).get("limit")
            with self._lock:
                used = self._used[plan.id, key.id] = self._used.get((plan.id, key.id), 0) + 1
            if limit is not None and used > int(limit):
                raise Refusal(429, "QUOTA_EXCEEDED", "Limit Exceeded")

    def _spend(self, bucket: str, rate: Any, burst: Any) -> None:
        if rate is None or burst is None:
            return
        now = time.monotonic()
        with self._lock:
            tokens, last = self._buckets.get(bucket, (float(burst), now))
            tokens = min(float(burst), tokens + (now - last) * float(rate))
            admitted = tokens >= 1.0
            self._buckets[bucket] = (tokens - admitted, now)
        if not admitted:
            raise Refusal(429, "THROTTLED", "Too Many Requests")
