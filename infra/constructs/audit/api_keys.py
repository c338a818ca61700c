"""The bearer keys of callers: a secret each, rotated by the `rotation` function, and the setting that names them.

A key's value is made by Secrets Manager and enters no template. Gateways accept the current and the previous value, so
a caller has one period to change over.
"""

from __future__ import annotations

import json

from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.constructs.retention import removal
from infra.environments import Environment
from infra.sizing import ApiKey
from router_core.deployment import settings_prefix

_LENGTH = 48


class ApiKeys(Construct):
    """Secrets `tierwise/ENV/keys/ID`, and the parameter `settings/keys`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        key: kms.IKey,
        rotation: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, id)
        self._environment = environment
        secrets = {caller: self._secret(caller, key) for caller in environment.upper.keys}
        may_call = lambda_.CfnPermission(
            self,
            "SecretsManagerCalls",
            action="lambda:InvokeFunction",
            function_name=rotation.function_arn,
            principal="secretsmanager.amazonaws.com",
            source_account=environment.account,
        )
        days = environment.upper.audit.rotation_days
        for caller, secret in secrets.items():
            schedule = secretsmanager.CfnRotationSchedule(
                self,
                f"Rotate-{caller.id}",
                secret_id=secret.secret_arn,
                rotation_lambda_arn=rotation.function_arn,
                rotate_immediately_on_update=False,
                rotation_rules=secretsmanager.CfnRotationSchedule.RotationRulesProperty(
                    automatically_after_days=days
                ),
            )
            schedule.add_resource_dependency(may_call)
        self._setting(secrets)

    def _secret(self, caller: ApiKey, key: kms.IKey) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            f"Key-{caller.id}",
            secret_name=f"tierwise/{self._environment.name}/keys/{caller.id}",
            description=f"Bearer key of {caller.id}, role {caller.role}",
            encryption_key=key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=_LENGTH, exclude_punctuation=True
            ),
            removal_policy=removal(self._environment),
        )

    def _setting(self, secrets: dict[ApiKey, secretsmanager.Secret]) -> None:
        keys = [
            {
                "id": caller.id,
                "tenant": caller.tenant,
                "role": caller.role,
                "secret": f"aws-secret:{secret.secret_arn}",
            }
            for caller, secret in secrets.items()
        ]
        ssm.StringParameter(
            self,
            "Setting",
            parameter_name=f"{settings_prefix(self._environment.name)}/keys",
            description="Callers and where their keys are",
            string_value=json.dumps(keys),
        )
