"""Parameter Store as a deployment leaves it: the policy's first version, the rollout, and the settings.

The first policy names nothing but its schema, which means "the packaged defaults". It is deliberately a text that never
changes: CloudFormation writes a parameter again only when its template changes, so a deployment never overwrites what
operators have pushed since. Labels are set by `tierwise policy`; until one is, the newest version counts as stable.
"""

from __future__ import annotations

import json

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.environments import Environment
from router_core.deployment import policy_parameter, rollout_parameter, settings_prefix

FIRST_POLICY = '{"name":"default","schema":"tierwise.policy/1"}'
NO_ROLLOUT = '{"share":0}'


class Parameters(Construct):
    """`settings` are written as JSON, one parameter each, under `/tierwise/{env}/settings/`."""

    def __init__(
        self, scope: Construct, id: str, environment: Environment, settings: dict[str, object]
    ) -> None:
        super().__init__(scope, id)
        name = environment.name
        # Advanced: a policy may have 8,000 bytes, the standard tier ends at 4,096.
        self._parameter("Policy", policy_parameter(name), FIRST_POLICY, ssm.ParameterTier.ADVANCED)
        self._parameter("Rollout", rollout_parameter(name), NO_ROLLOUT)
        for key, value in settings.items():
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            self._parameter(key.title().replace("/", ""), f"{settings_prefix(name)}/{key}", text)

    def _parameter(
        self, id: str, path: str, value: str, tier: ssm.ParameterTier = ssm.ParameterTier.STANDARD
    ) -> None:
        ssm.StringParameter(self, id, parameter_name=path, string_value=value, tier=tier)
