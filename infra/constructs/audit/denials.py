"""Counts requests with no key or a wrong one: the API's access log turned into a metric."""

from __future__ import annotations

from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.measured import DENIED_NAMESPACE, denied
from infra.environments import Environment
from router_core.deployment import resource_name


def count_denials(scope: Construct, id: str, *, environment: Environment) -> logs.CfnMetricFilter:
    """The log is the API stack's, by name: that stack comes first."""
    return logs.CfnMetricFilter(
        scope,
        id,
        filter_name=resource_name(environment.name, "denied"),
        log_group_name=f"/{resource_name(environment.name, 'api-access')}",
        filter_pattern='{ $.status = "401" || $.status = "403" }',
        metric_transformations=[
            logs.CfnMetricFilter.MetricTransformationProperty(
                metric_namespace=DENIED_NAMESPACE,
                metric_name=denied(environment.name).metric_name,
                metric_value="1",
                default_value=0,
            )
        ],
    )
