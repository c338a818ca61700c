"""Every function of the product: one per stage of the stage table, and those beside it.

A stage that joins the table gets its function here by itself. What is warm depends on who answers: with
`workflow = "one-function"` that is `api`, with `"state-machine"` it is the stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.bundle import bundle
from infra.constructs.functions.grants import grants, of
from infra.constructs.functions.service_function import FunctionPlace, FunctionSpec, ServiceFunction
from infra.constructs.functions.settings import own_variables, thinks
from infra.constructs.vpc import Vpc
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import FUNCTIONS, STAGE, resource_name
from router_core.stages import NAMES, STAGES

API_S = 29
"""API Gateway waits no longer."""
_TIMEOUT_S = {"api": API_S, "authorizer": 5, "analytics": 60, "rotation": 60, "listener": 30}


def functions_code(scope: Construct, *, thinking: bool = False) -> lambda_.Code:
    """The asset, whole or as sources only, as `-c bundle=` says; `thinking`: with what asks models."""
    asset = bundle(str(scope.node.try_get_context("bundle") or "full"), thinking=thinking)
    return lambda_.Code.from_asset(str(asset.path), asset_hash=asset.sha256)


class ServiceFunctions(Construct):
    """`by_name["router"].alias`, and `dead_letters`, where failed asynchronous calls end."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        network: Vpc,
        key: kms.IKey,
        variables: Mapping[str, str],
    ) -> None:
        super().__init__(scope, id)
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            queue_name=resource_name(environment.name, "functions-dlq"),
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        acknowledge(self.dead_letters, "SQS3", "It is the dead-letter queue of the functions.")
        place = FunctionPlace(
            code=functions_code(self),
            vpc=network.vpc,
            security_group=network.functions,
            dead_letters=self.dead_letters,
        )
        thinking = (
            replace(place, code=functions_code(self, thinking=True)) if environment.deliberation else place
        )
        timeouts = {stage.name: stage.timeout_s for stage in STAGES} | _TIMEOUT_S
        table = grants(environment, key.key_arn)
        self.by_name = {
            name: ServiceFunction(
                self,
                f"{name.title()}Host",
                environment,
                thinking if thinks(environment, name) else place,
                FunctionSpec(
                    name=name,
                    timeout_s=timeouts[name],
                    grants=of(name, table),
                    variables={**variables, **own_variables(environment, name), STAGE: name},
                    provisioned=environment.functions.provisioned if _is_warm(name, environment) else 0,
                    reserved=environment.functions.reserved if name == "api" else None,
                ),
            )
            for name in (*NAMES, *FUNCTIONS)
        }


def _is_warm(name: str, environment: Environment) -> bool:
    """Whether a caller waits for this function."""
    if name in ("api", "authorizer"):
        return True
    return environment.workflow == "state-machine" and name in NAMES
