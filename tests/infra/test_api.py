"""The door: nobody gets in without a key, nobody asks without end, and nothing that callers write is kept."""

from __future__ import annotations

import json

import jsonschema
import pytest

from infra.constructs.api.firewall import COUNTED
from infra.constructs.api.rest_api import COSTLY, ROUTES
from infra.environments import ENVIRONMENTS
from router_core.deployment import ENVIRONMENTS as NAMES
from router_core.deployment import resource_name, usage_key
from tests.infra.templates import Resource, Stack, Synthesis


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api(name: str, synthesis: Synthesis) -> Stack:
    return synthesis.stack(name, "api")


@pytest.fixture
def stage(api: Stack) -> Resource:
    return api.one("ApiGateway::Stage")


@pytest.fixture
def schemas(synthesis: Synthesis) -> dict[str, Resource]:
    models = synthesis.stack("dev", "api").of("ApiGateway::Model").values()
    return {model["Name"]: model["Schema"] for model in models}


def test_every_method_asks_for_a_key_and_a_plan(api: Stack) -> None:
    methods = api.of("ApiGateway::Method")
    assert len(methods) == len(ROUTES)
    for where, method in methods.items():
        assert method["AuthorizationType"] == "CUSTOM", where
        assert method["ApiKeyRequired"] is True, where
        assert "RequestValidatorId" in method, where
        assert method["Integration"]["TimeoutInMillis"] == 29_000, where


def test_every_body_is_checked_before_a_function_is_paid_for(api: Stack) -> None:
    for where, method in api.of("ApiGateway::Method").items():
        assert ("RequestModels" in method) is (method["HttpMethod"] == "POST"), where
    checks = api.one("ApiGateway::RequestValidator")
    assert checks["ValidateRequestBody"] is True
    assert checks["ValidateRequestParameters"] is True


def test_methods_call_the_live_function(api: Stack) -> None:
    for method in api.of("ApiGateway::Method").values():
        assert method["Integration"]["Type"] == "AWS_PROXY"
        assert "HostLive" in json.dumps(method["Integration"]["Uri"])


def test_keys_are_checked_by_our_function_and_soon_again(api: Stack) -> None:
    authorizer = api.one("ApiGateway::Authorizer")
    assert authorizer["Type"] == "TOKEN"
    assert authorizer["IdentitySource"] == "method.request.header.Authorization"
    assert 0 < authorizer["AuthorizerResultTtlInSeconds"] <= 30
    assert "IdentityValidationExpression" in authorizer


def test_the_usage_plan_is_named_by_the_authorizer_and_not_by_callers(name: str, api: Stack) -> None:
    assert api.one("ApiGateway::RestApi")["ApiKeySourceType"] == "AUTHORIZER"
    limits = ENVIRONMENTS[name].api
    plan = api.one("ApiGateway::UsagePlan")
    assert plan["Throttle"] == {"RateLimit": limits.requests_per_s, "BurstLimit": limits.burst}
    assert plan["Quota"] == {"Limit": limits.quota_per_day, "Period": "DAY"}
    key = api.one("ApiGateway::ApiKey")
    assert key["Value"] == usage_key(name)
    assert len(key["Value"]) >= 20


def test_the_stage_is_throttled_and_what_runs_a_model_more(name: str, stage: Resource) -> None:
    limits = ENVIRONMENTS[name].api
    settings = {(s["HttpMethod"], s["ResourcePath"]): s for s in stage["MethodSettings"]}
    assert settings["*", "/*"]["ThrottlingRateLimit"] == limits.requests_per_s
    for method, path in COSTLY:
        costly = settings[method, "/~1" + path.replace("/", "~1")]
        assert costly["ThrottlingRateLimit"] == limits.inferences_per_s < limits.requests_per_s
        assert costly["ThrottlingBurstLimit"] == limits.inference_burst


def test_it_is_traced_and_logs_neither_bodies_nor_keys(name: str, api: Stack, stage: Resource) -> None:
    assert stage["TracingEnabled"] is True
    for settings in stage["MethodSettings"]:
        assert settings["DataTraceEnabled"] is False
        assert settings["LoggingLevel"] == "ERROR"
        assert settings["MetricsEnabled"] is True
    line = json.loads(stage["AccessLogSetting"]["Format"])
    assert set(line) >= {"request_id", "trace", "status", "latency_ms", "tenant"}
    forbidden = (
        "input.",
        "request.header",
        "apiKey",
        "Authorization",
        "requestOverride",
        'path":"$context.path',
    )
    assert not any(word in stage["AccessLogSetting"]["Format"] for word in forbidden)
    days = {log["RetentionInDays"] for log in api.of("Logs::LogGroup").values()}
    assert days == {ENVIRONMENTS[name].retention.logs_days}


def test_only_new_tls_is_spoken(api: Stack) -> None:
    assert api.one("ApiGateway::RestApi")["SecurityPolicy"].startswith("SecurityPolicy_TLS13_1_2")
    assert api.one("ApiGateway::RestApi")["EndpointConfiguration"]["Types"] == ["REGIONAL"]


def test_refusals_are_problems_without_the_callers_words(api: Stack) -> None:
    for where, refusal in api.of("ApiGateway::GatewayResponse").items():
        body = json.loads(refusal["ResponseTemplates"]["application/json"])
        assert set(body) == {"type", "title", "status", "detail", "request_id"}, where
        assert str(body["status"]) == refusal["StatusCode"], where
        assert body["request_id"] == "$context.requestId", where
        headers = refusal["ResponseParameters"]
        assert headers["gatewayresponse.header.content-type"] == "'application/problem+json'", where
        assert ("gatewayresponse.header.retry-after" in headers) is (body["status"] in (429, 503)), where


def test_the_firewall_stands_before_the_stage(name: str, api: Stack) -> None:
    acl = api.one("WAFv2::WebACL")
    assert acl["Name"] == resource_name(name, "api")
    rules = {rule["Name"]: rule for rule in acl["Rules"]}
    rate = rules["address-rate"]
    assert rate["Action"] == {"Block": {}}
    limit = rate["Statement"]["RateBasedStatement"]["Limit"]
    assert limit == ENVIRONMENTS[name].api.address_requests_per_5_min
    common = rules["AWSManagedRulesCommonRuleSet"]["Statement"]["ManagedRuleGroupStatement"]
    counted = {rule["Name"] for rule in common["RuleActionOverrides"] if rule["ActionToUse"] == {"Count": {}}}
    assert counted == set(COUNTED)
    attached = json.dumps(api.one("WAFv2::WebACLAssociation")["ResourceArn"])
    (deployed,) = api.of("ApiGateway::Stage")
    assert deployed in attached


def test_the_firewalls_log_holds_no_key(api: Stack) -> None:
    redacted = api.one("WAFv2::LoggingConfiguration")["RedactedFields"]
    assert {field["SingleHeader"]["Name"] for field in redacted} >= {"authorization", "x-api-key"}
    for rule in api.one("WAFv2::WebACL")["Rules"]:
        assert rule["VisibilityConfig"]["SampledRequestsEnabled"] is False


@pytest.mark.parametrize(
    "body",
    [
        {"input": "turn off the lights"},
        {"messages": [{"role": "user", "content": "hello"}], "stream": False, "preferences": None},
        {"input": "x", "stream": True},  # the product answers 422 and says where streams are
        {"input": "x", "unknown": 1},  # the product answers 400 and names the field
    ],
)
def test_what_the_product_should_judge_reaches_it(schemas: dict[str, Resource], body: object) -> None:
    jsonschema.Draft4Validator(schemas["Inference"]).validate(body)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"input": ""},
        {"input": 5},
        {"messages": []},
        {"messages": "hello"},
        {"input": "x", "messages": [{}]},
        {"input": "x", "stream": "yes"},
        {"input": "x", "mode": "later"},
    ],
)
def test_what_cannot_be_an_inference_is_refused_at_the_door(
    schemas: dict[str, Resource], body: object
) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schemas["Inference"]).validate(body)


def test_feedback_is_a_score(schemas: dict[str, Resource]) -> None:
    check = jsonschema.Draft4Validator(schemas["Feedback"])
    assert check.is_valid({"score": 0.5, "comment": None})
    assert not any(check.is_valid(body) for body in ({}, {"score": 2}, {"score": "good"}))
