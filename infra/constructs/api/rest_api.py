"""The API: which addresses exist, who may call them, how often, and what is written down about a call.

A bearer key is checked by the authorizer function, which also names the usage plan that counts the call. Limits hold
per address of the firewall, per plan and per method; the methods that run a model have the lowest. The log holds who,
what and how long, never a body or a key. TLS 1.2 and later only.
"""

from __future__ import annotations

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.api.bodies import REFUSALS, feedback, inference, problem, whole
from infra.constructs.functions.service_functions import API_S
from infra.constructs.retention import log_days
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import resource_name, usage_key

ROUTES = (
    ("POST", "inference", "Inference"),
    ("GET", "inference/{id}", None),
    ("POST", "inference/{id}/feedback", "Feedback"),
    ("POST", "inference/{id}/outcome", "Whole"),
    ("POST", "explain", "Inference"),
    ("GET", "v1/models", None),
    ("POST", "v1/{proxy+}", "Whole"),
    ("GET", "device/bundle", None),
    ("POST", "device/outcomes", "Whole"),
)
"""Method, path, and the model that its body must fit. What is not here is 404 before any function runs."""
COSTLY = (("POST", "inference"), ("POST", "v1/{proxy+}"))
"""The methods that run a model."""
TLS = "SecurityPolicy_TLS13_1_2_PQ_2025_09"
_KEY_FORM = r"^[Bb]earer [!-~]{8,512}$"
_KEPT_S = 30
"""How long the authorizer's word on a key holds: a revoked key is refused that soon."""
_LOGGED = {
    "request_id": "$context.requestId",
    "trace": "$context.xrayTraceId",
    "time": "$context.requestTimeEpoch",
    "address": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.resourcePath",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "function_ms": "$context.integration.latency",
    "caller": "$context.authorizer.principalId",
    "tenant": "$context.authorizer.tenant",
    "refusal": "$context.error.responseType",
    "firewall": "$context.waf.status",
}


class InferenceApi(Construct):
    """`api` and its stage, named for the environment."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        *,
        answering: lambda_.IFunction,
        authorizing: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, id)
        self._environment = environment
        self.api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=resource_name(environment.name, "api"),
            description="Routes each inference request to the device, the edge or the cloud",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            api_key_source_type=apigateway.ApiKeySourceType.AUTHORIZER,
            cloud_watch_role=False,
            deploy_options=self._stage(),
        )
        plain = cast(apigateway.CfnRestApi, self.api.node.default_child)
        plain.security_policy, plain.endpoint_access_mode = TLS, "STRICT"
        self.api.deployment_stage.node.add_dependency(self._logging_account())
        self._refusals()
        self._routes(self._called("Answering", answering), self._called("Authorizing", authorizing))
        self._plan()

    def _stage(self) -> apigateway.StageOptions:
        api, name = self._environment.api, self._environment.name
        log = logs.LogGroup(
            self,
            "AccessLog",
            log_group_name=f"/{resource_name(name, 'api-access')}",
            retention=log_days(self._environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        # A method's own settings replace the stage's as a whole: what is not repeated here would be off.
        costly = apigateway.MethodDeploymentOptions(
            throttling_rate_limit=api.inferences_per_s,
            throttling_burst_limit=api.inference_burst,
            metrics_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            data_trace_enabled=False,
        )
        return apigateway.StageOptions(
            stage_name=name,
            tracing_enabled=True,
            metrics_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            data_trace_enabled=False,  # it would log bodies
            throttling_rate_limit=api.requests_per_s,
            throttling_burst_limit=api.burst,
            method_options={f"/{path}/{method}": costly for method, path in COSTLY},
            access_log_destination=apigateway.LogGroupLogDestination(log),
            access_log_format=apigateway.AccessLogFormat.custom(_log_line()),
        )

    def _logging_account(self) -> apigateway.CfnAccount:
        """One role per account and region lets API Gateway write any log; without it a stage cannot be made."""
        role = iam.Role(
            self,
            "LoggingRole",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name(
                    "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
                )
            ],
        )
        policy = "arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
        acknowledge(
            role, f"IAM4[Policy::{policy}]", "AWS's own policy is what API Gateway checks the role for."
        )
        return apigateway.CfnAccount(self, "LoggingAccount", cloud_watch_role_arn=role.role_arn)

    def _called(self, id: str, alias: lambda_.IFunction) -> lambda_.IFunction:
        """The function as this stack sees it: leave to call it lies here rather than beside the function, which is
        deployed first and cannot know the API."""
        return lambda_.Function.from_function_attributes(
            self, id, function_arn=alias.function_arn, same_environment=True
        )

    def _refusals(self) -> None:
        for kind, (id, status, detail) in REFUSALS.items():
            later = {"gatewayresponse.header.retry-after": "'1'"} if status in (429, 503) else {}
            apigateway.CfnGatewayResponse(
                self,
                id,
                rest_api_id=self.api.rest_api_id,
                response_type=kind,
                status_code=str(status),
                response_parameters={
                    "gatewayresponse.header.content-type": "'application/problem+json'",
                    **later,
                },
                response_templates={"application/json": problem(status, detail)},
            )

    def _routes(self, answering: lambda_.IFunction, authorizing: lambda_.IFunction) -> None:
        integration = apigateway.LambdaIntegration(
            answering, proxy=True, allow_test_invoke=False, timeout=Duration.seconds(API_S)
        )
        authorizer = apigateway.TokenAuthorizer(
            self,
            "Keys",
            handler=authorizing,
            validation_regex=_KEY_FORM,
            results_cache_ttl=Duration.seconds(_KEPT_S),
        )
        checks = self.api.add_request_validator(
            "Checks", validate_request_body=True, validate_request_parameters=True
        )
        schemas = {"Inference": inference(), "Feedback": feedback(), "Whole": whole()}
        models = {
            name: self.api.add_model(name, model_name=name, content_type="application/json", schema=schema)
            for name, schema in schemas.items()
        }
        for verb, path, body in ROUTES:
            method = self.api.root.resource_for_path(path).add_method(
                verb,
                integration,
                authorizer=authorizer,
                authorization_type=apigateway.AuthorizationType.CUSTOM,
                api_key_required=True,
                request_validator=checks,
                request_models={"application/json": models[body]} if body else None,
            )
            acknowledge(method, "COG4", "Callers are machines with bearer keys, which our authorizer checks.")

    def _plan(self) -> None:
        """One plan for every key. Its key is an identifier that the authorizer names, never a secret: a caller cannot
        send it."""
        api = self._environment.api
        plan = self.api.add_usage_plan(
            "Plan",
            name=resource_name(self._environment.name, "standard"),
            throttle=apigateway.ThrottleSettings(rate_limit=api.requests_per_s, burst_limit=api.burst),
            quota=apigateway.QuotaSettings(limit=api.quota_per_day, period=apigateway.Period.DAY),
        )
        plan.add_api_stage(stage=self.api.deployment_stage)
        name = usage_key(self._environment.name)
        plan.add_api_key(self.api.add_api_key("PlanKey", api_key_name=name, value=name))


def _log_line() -> str:
    quoted = ",".join(f'"{name}":"{value}"' for name, value in _LOGGED.items())
    return f"{{{quoted}}}"
