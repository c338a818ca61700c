"""The firewall before the API: known attacks, addresses of bad repute, and any address that asks too often.

Rules that read the body only count. Prompts are long, quote code and contain markup, so a body rule that blocks would
refuse honest requests; our own guard reads the text instead.
"""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.constructs.retention import log_days
from infra.environments import Environment
from router_core.deployment import resource_name

COUNTED = (
    "CrossSiteScripting_BODY",
    "EC2MetaDataSSRF_BODY",
    "GenericLFI_BODY",
    "GenericRFI_BODY",
    "SizeRestrictions_BODY",
)
_GROUPS = (
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesAmazonIpReputationList",
)
_BODY_READERS = "AWSManagedRulesCommonRuleSet"


class Firewall(Construct):
    """`attach(arn)` puts it before a stage of an API or a load balancer."""

    def __init__(self, scope: Construct, id: str, environment: Environment) -> None:
        super().__init__(scope, id)
        self._name = resource_name(environment.name, "api")
        groups = [self._managed(place, group) for place, group in enumerate(_GROUPS, start=1)]
        self.acl = waf.CfnWebACL(
            self,
            "Acl",
            name=self._name,
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=self._visible("all"),
            rules=[self._rate(environment.api.address_requests_per_5_min), *groups],
        )
        self._log(environment)

    def attach(self, id: str, resource_arn: str) -> waf.CfnWebACLAssociation:
        return waf.CfnWebACLAssociation(self, id, resource_arn=resource_arn, web_acl_arn=self.acl.attr_arn)

    def _rate(self, requests: int) -> waf.CfnWebACL.RuleProperty:
        return waf.CfnWebACL.RuleProperty(
            name="address-rate",
            priority=0,
            action=waf.CfnWebACL.RuleActionProperty(block={}),
            statement=waf.CfnWebACL.StatementProperty(
                rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                    aggregate_key_type="IP", limit=requests, evaluation_window_sec=300
                )
            ),
            visibility_config=self._visible("address-rate"),
        )

    def _managed(self, priority: int, group: str) -> waf.CfnWebACL.RuleProperty:
        counted = [
            waf.CfnWebACL.RuleActionOverrideProperty(
                name=rule, action_to_use=waf.CfnWebACL.RuleActionProperty(count={})
            )
            for rule in (COUNTED if group == _BODY_READERS else ())
        ]
        return waf.CfnWebACL.RuleProperty(
            name=group,
            priority=priority,
            override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
            statement=waf.CfnWebACL.StatementProperty(
                managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                    vendor_name="AWS", name=group, rule_action_overrides=counted or None
                )
            ),
            visibility_config=self._visible(group),
        )

    def _visible(self, metric: str) -> waf.CfnWebACL.VisibilityConfigProperty:
        # Sampled requests would show headers, keys among them.
        return waf.CfnWebACL.VisibilityConfigProperty(
            cloud_watch_metrics_enabled=True, sampled_requests_enabled=False, metric_name=metric
        )

    def _log(self, environment: Environment) -> None:
        """Blocked requests only, without keys."""
        group = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"aws-waf-logs-{self._name}",  # the prefix is WAF's condition
            retention=log_days(environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        blocked = {
            "DefaultBehavior": "DROP",
            "Filters": [
                {
                    "Behavior": "KEEP",
                    "Requirement": "MEETS_ANY",
                    "Conditions": [{"ActionCondition": {"Action": "BLOCK"}}],
                }
            ],
        }
        waf.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=self.acl.attr_arn,
            log_destination_configs=[
                Stack.of(self).format_arn(service="logs", resource=f"log-group:aws-waf-logs-{self._name}")
            ],
            logging_filter=blocked,
            redacted_fields=[
                waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": name})
                for name in ("authorization", "x-api-key", "cookie")
            ],
        ).node.add_dependency(group)
