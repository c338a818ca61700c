"""The metrics that the dashboard shows and the alarms judge, by the names that the running code writes.

Ours are made here from `router_core.deployment` and nowhere else, so that a name that the code does not write cannot
be shown; AWS's own are named beside the resource they describe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw

from router_core.deployment import DIMENSIONS, METRICS, NAMESPACE

FIVE_MINUTES = cdk.Duration.minutes(5)


def ours(
    env: str, name: str, statistic: str = "Sum", period: cdk.Duration = FIVE_MINUTES, **dimensions: str
) -> cw.Metric:
    """Our metric `name`, for the environment or for the Tier, Target or Agent given."""
    wanted = {"Env": env, **dimensions}
    if name not in METRICS or tuple(wanted) not in DIMENSIONS:
        raise ValueError(f"nothing writes the metric {name} by {', '.join(wanted)}")
    return cw.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map=wanted,
        statistic=statistic,
        period=period,
    )


def each(env: str, name: str, statistic: str, by: tuple[str, ...], **fixed: str) -> cw.MathExpression:
    """Our metric `name` as one line for every value of the dimensions `by` that CloudWatch has seen."""
    if name not in METRICS or by not in DIMENSIONS:
        raise ValueError(f"nothing writes the metric {name} by {', '.join(by)}")
    known = " ".join(f'{key}="{value}"' for key, value in {"Env": env, **fixed}.items())
    schema = ",".join((NAMESPACE, *by))
    return found(f'{{{schema}}} MetricName="{name}" {known}', statistic)


def found(search: str, statistic: str) -> cw.MathExpression:
    """Every metric that CloudWatch finds for `search`; the label is its own name."""
    return cw.MathExpression(
        expression=f"SEARCH('{search}', '{statistic}', 300)", using_metrics={}, label="", period=FIVE_MINUTES
    )


def share(part: cw.IMetric, whole: cw.IMetric, label: str, at_least: int = 1) -> cw.MathExpression:
    """`part` of `whole`; nothing while the whole is below `at_least`, since two of three requests prove nothing.
    `label` tells it apart from the other lines of a graph."""
    slug = re.sub(r"\W", "_", label)
    return cw.MathExpression(
        expression=f"IF(whole_{slug} >= {at_least}, part_{slug} / whole_{slug})",
        using_metrics={f"part_{slug}": part, f"whole_{slug}": whole},
        label=label,
        period=FIVE_MINUTES,
    )


def aws(
    namespace: str,
    name: str,
    statistic: str = "Sum",
    period: cdk.Duration = FIVE_MINUTES,
    **dimensions: str,
) -> cw.Metric:
    """A metric that AWS writes by itself, for instance `aws("Lambda", "Throttles", FunctionName=...)`."""
    return cw.Metric(
        namespace=f"AWS/{namespace}",
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=period,
    )


def total(metrics: Mapping[str, cw.IMetric], label: str) -> cw.MathExpression:
    """The sum of at most ten metrics, as many as one alarm may read; a metric without data counts as zero."""
    if not 1 <= len(metrics) <= 10:
        raise ValueError(f"an alarm reads one to ten metrics, not {len(metrics)}")
    return cw.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in metrics),
        using_metrics=dict(metrics),
        label=label,
        period=FIVE_MINUTES,
    )


DENIED_NAMESPACE = f"{NAMESPACE}/Security"


def denied(env: str) -> cw.Metric:
    """Requests with no key or a wrong one, counted from the API's access log by the security stack."""
    return cw.Metric(
        namespace=DENIED_NAMESPACE,
        metric_name=f"Denied-{env}",
        statistic="Sum",
        period=FIVE_MINUTES,
    )
