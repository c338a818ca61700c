"""The firewall before the gateway: known attacks, bad addresses, and too many requests from one address.

Prompts are free text and hold code, markup and long bodies by nature, so the rules that read bodies for such things
only count here; the gateway bounds and parses bodies itself.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.constructs.retention import log_days
from infra.environments import Environment
from router_core.deployment import resource_name

MANAGED: Final = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesCommonRuleSet",
)
COUNTED: Final = (
    "CrossSiteScripting_BODY",
    "EC2MetaDataSSRF_BODY",
    "GenericLFI_BODY",
    "GenericRFI_BODY",
    "SizeRestrictions_BODY",
)
_SECRET_HEADERS: Final = ("authorization", "cookie", "x-api-key")


def firewall(scope: Construct, id: str, *, environment: Environment, guarded_arn: str) -> waf.CfnWebACL:
    """`tierwise-ENV-gateway`, in front of `guarded_arn`; what it blocks is logged without keys."""
    name = resource_name(environment.name, "gateway")
    rules = [_managed(order, rule_set) for order, rule_set in enumerate(MANAGED)]
    acl = waf.CfnWebACL(
        scope,
        id,
        name=name,
        scope="REGIONAL",
        default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_visible(name),
        rules=[*rules, _rate(len(MANAGED), environment.upper.gateway.waf_requests_per_5min)],
    )
    waf.CfnWebACLAssociation(scope, f"{id}Association", resource_arn=guarded_arn, web_acl_arn=acl.attr_arn)
    log = logs.LogGroup(
        scope,
        f"{id}Log",
        # AWS accepts no other beginning of the name.
        log_group_name=f"aws-waf-logs-{name}",
        retention=log_days(environment),
        removal_policy=RemovalPolicy.DESTROY,
    )
    waf.CfnLoggingConfiguration(
        scope,
        f"{id}Logging",
        resource_arn=acl.attr_arn,
        log_destination_configs=[log.log_group_arn],
        redacted_fields=[
            waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
            for header in _SECRET_HEADERS
        ],
    )
    return acl


def _managed(order: int, rule_set: str) -> waf.CfnWebACL.RuleProperty:
    parts = waf.CfnWebACL
    counted = COUNTED if rule_set == "AWSManagedRulesCommonRuleSet" else ()
    return parts.RuleProperty(
        name=rule_set,
        priority=order,
        override_action=parts.OverrideActionProperty(none={}),
        statement=parts.StatementProperty(
            managed_rule_group_statement=parts.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=rule_set,
                rule_action_overrides=[
                    parts.RuleActionOverrideProperty(
                        name=rule, action_to_use=parts.RuleActionProperty(count={})
                    )
                    for rule in counted
                ],
            )
        ),
        visibility_config=_visible(rule_set),
    )


def _rate(order: int, requests: int) -> waf.CfnWebACL.RuleProperty:
    parts = waf.CfnWebACL
    return parts.RuleProperty(
        name="TooManyRequests",
        priority=order,
        action=parts.RuleActionProperty(block={}),
        statement=parts.StatementProperty(
            rate_based_statement=parts.RateBasedStatementProperty(limit=requests, aggregate_key_type="IP")
        ),
        visibility_config=_visible("TooManyRequests"),
    )


def _visible(metric: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=True
    )
