"""Who may call, who did what, and whether things are as they should be."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_guardduty as guardduty
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.audit.api_keys import ApiKeys
from infra.constructs.audit.audit_store import AuditStore
from infra.constructs.audit.denials import count_denials
from infra.constructs.audit.rules import ConfigRules
from infra.constructs.audit.trail import Trail
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.data import DataStack


class SecurityStack(Stack):
    def __init__(
        self, scope: Construct, environment: Environment, *, data: DataStack, rotation: lambda_.IFunction
    ) -> None:
        super().__init__(scope, stack_name(environment, "security"), env=place(environment))
        store = AuditStore(self, "Store", environment=environment)
        Trail(self, "Trail", environment=environment, store=store)
        ConfigRules(self, "Rules", environment=environment, store=store)
        ApiKeys(self, "ApiKeys", environment=environment, key=data.key, rotation=rotation)
        count_denials(self, "Denials", environment=environment)
        if environment.upper.audit.guardduty:
            guardduty.CfnDetector(
                self, "GuardDuty", enable=True, finding_publishing_frequency="FIFTEEN_MINUTES"
            )
