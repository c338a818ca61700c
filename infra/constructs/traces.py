"""X-Ray: which requests are traced, and the groups in which slow and failed ones are looked at.

Nothing is lost by sampling that the records do not hold anyway; a trace says where the time went.
"""

from __future__ import annotations

from aws_cdk import aws_xray as xray
from constructs import Construct

from router_core.deployment import resource_name

FIRST_PER_S = 1
SHARE = 0.05


def trace_groups(scope: Construct, *, env: str, latency_s: float) -> None:
    """The first request of each second and a twentieth of the rest are traced; two groups hold what went wrong."""
    xray.CfnSamplingRule(
        scope,
        "Sampling",
        sampling_rule=xray.CfnSamplingRule.SamplingRuleProperty(
            rule_name=resource_name(env, "requests"),
            priority=100,
            version=1,
            reservoir_size=FIRST_PER_S,
            fixed_rate=SHARE,
            service_name=f"tierwise-{env}*",
            service_type="*",
            host="*",
            http_method="*",
            url_path="*",
            resource_arn="*",
        ),
    )
    own = f'service(id(name: "{resource_name(env, "gateway")}"))'
    for name, which in (
        ("slow", f"responsetime > {latency_s:g}"),
        ("failed", "error = true OR fault = true"),
    ):
        xray.CfnGroup(
            scope,
            f"Traces-{name}",
            group_name=resource_name(env, name),
            filter_expression=f"{own} AND ({which})",
            insights_configuration=xray.CfnGroup.InsightsConfigurationProperty(
                insights_enabled=True, notifications_enabled=False
            ),
        )
