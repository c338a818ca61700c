"""CloudFormation types of REST APIs, with everything the data plane needs: moto's own drop authorizers and validation."""

from __future__ import annotations

import json
from typing import Any, Final

from moto.apigateway.models import RestAPI, apigateway_backends

from tests.localaws import address
from tests.localaws.cfn_resource import Create, Made, Properties, api, lower_first


def _rest_api(properties: Properties, name: str) -> Made:
    wanted = {k: v for k, v in lower_first(properties).items() if k not in ("tags", "policy")}
    if "apiKeySourceType" in wanted:
        wanted["apiKeySource"] = wanted["apiKeySourceType"]
    made = api("apigateway", "create_rest_api", wanted)
    root = next(iter(_api(made["id"]).resources.values())).id
    return Made(ref=made["id"], attributes={"RootResourceId": root, "RestApiId": made["id"]})


def _api(rest_api: str) -> RestAPI:
    return apigateway_backends[address.ACCOUNT][address.REGION].get_rest_api(rest_api)


def _method(properties: Properties, name: str) -> Made:
    wanted = lower_first(properties)
    # Names of models and parameters are the template's own, not API Gateway's.
    for key in ("RequestModels", "RequestParameters"):
        if key in properties:
            wanted[key[:1].lower() + key[1:]] = properties[key]
    api("apigateway", "put_method", wanted)
    integration = lower_first(properties.get("Integration") or {})
    if integration:
        where = {key: wanted[key] for key in ("restApiId", "resourceId", "httpMethod")}
        verb = integration.pop("integrationHttpMethod", None)
        integration = {
            k: v for k, v in integration.items() if k not in ("integrationResponses", "requestParameters")
        }
        if verb is not None:
            integration["integrationHttpMethod"] = verb
        api("apigateway", "put_integration", {**integration, **where})
    return Made(ref=name, attributes={})


def _authorizer(properties: Properties, name: str) -> Made:
    made = api("apigateway", "create_authorizer", {"name": name, **lower_first(properties)})
    return Made(ref=made["id"], attributes={"AuthorizerId": made["id"]})


def _model(properties: Properties, name: str) -> Made:
    wanted = {"name": "".join(filter(str.isalnum, name)), "contentType": "application/json"}
    wanted |= {k: v for k, v in lower_first(properties).items() if k != "schema"}
    schema = properties["Schema"]
    wanted["schema"] = schema if isinstance(schema, str) else json.dumps(schema)
    api("apigateway", "create_model", wanted)
    return Made(ref=str(wanted["name"]), attributes={})


def _validator(properties: Properties, name: str) -> Made:
    made = api("apigateway", "create_request_validator", {"name": name, **lower_first(properties)})
    return Made(ref=made["id"], attributes={"RequestValidatorId": made["id"]})


def _gateway_response(properties: Properties, name: str) -> Made:
    wanted = lower_first(properties)
    for key in ("ResponseTemplates", "ResponseParameters"):
        if key in properties:
            wanted[key[:1].lower() + key[1:]] = properties[key]
    api("apigateway", "put_gateway_response", wanted)
    return Made(ref=name, attributes={})


def _deployment(properties: Properties, name: str) -> Made:
    made = api("apigateway", "create_deployment", {"restApiId": properties["RestApiId"]})
    return Made(ref=made["id"], attributes={"DeploymentId": made["id"]})


def _stage(properties: Properties, name: str) -> Made:
    known = ("RestApiId", "DeploymentId", "StageName", "Description")
    wanted: Properties = {k: v for k, v in properties.items() if k in known}
    variables = properties.get("Variables") or {}
    api("apigateway", "create_stage", {**lower_first(wanted), "variables": variables})
    patches = [patch for one in properties.get("MethodSettings") or [] for patch in _settings(one)]
    if patches:
        address.client("apigateway").update_stage(
            restApiId=properties["RestApiId"], stageName=properties["StageName"], patchOperations=patches
        )
    return Made(ref=properties["StageName"], attributes={})


def _settings(one: Properties) -> list[dict[str, Any]]:
    where = f"/{one.get('ResourcePath', '/*').lstrip('/').replace('/', '~1') or '~1'}/{one.get('HttpMethod', '*')}"
    values = {
        "throttling/rateLimit": one.get("ThrottlingRateLimit"),
        "throttling/burstLimit": one.get("ThrottlingBurstLimit"),
    }
    return [
        {"op": "replace", "path": f"{where}/{name}", "value": str(value)}
        for name, value in values.items()
        if value is not None
    ]


def _key(properties: Properties, name: str) -> Made:
    wanted = {k: v for k, v in lower_first(properties).items() if k not in ("stageKeys", "tags")}
    made = api("apigateway", "create_api_key", {"enabled": True, **wanted})
    return Made(ref=made["id"], attributes={"APIKeyId": made["id"]})


def _plan(properties: Properties, name: str) -> Made:
    wanted = lower_first(properties)
    wanted["name"] = properties.get("UsagePlanName", name)
    made = api("apigateway", "create_usage_plan", {k: v for k, v in wanted.items() if k != "tags"})
    return Made(ref=made["id"], attributes={"Id": made["id"]})


def _plan_key(properties: Properties, name: str) -> Made:
    api("apigateway", "create_usage_plan_key", lower_first(properties))
    return Made(ref=f"{properties['KeyId']}:{properties['UsagePlanId']}", attributes={})


API_GATEWAY: Final[dict[str, tuple[Create, str]]] = {
    "AWS::ApiGateway::ApiKey": (_key, "Name"),
    "AWS::ApiGateway::Authorizer": (_authorizer, "Name"),
    "AWS::ApiGateway::Deployment": (_deployment, ""),
    "AWS::ApiGateway::GatewayResponse": (_gateway_response, ""),
    "AWS::ApiGateway::Method": (_method, ""),
    "AWS::ApiGateway::Model": (_model, "Name"),
    "AWS::ApiGateway::RequestValidator": (_validator, "Name"),
    "AWS::ApiGateway::RestApi": (_rest_api, "Name"),
    "AWS::ApiGateway::Stage": (_stage, "StageName"),
    "AWS::ApiGateway::UsagePlan": (_plan, "UsagePlanName"),
    "AWS::ApiGateway::UsagePlanKey": (_plan_key, ""),
}
