"""How long an environment keeps things, in the CDK's terms."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs

from infra.environments import Environment

_LOG_DAYS = {
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def log_days(environment: Environment) -> logs.RetentionDays:
    """CloudWatch knows some lengths only; another one is a mistake in the environment's values."""
    return _LOG_DAYS[environment.retention.logs_days]


def removal(environment: Environment) -> RemovalPolicy:
    """What becomes of data when its stack is deleted."""
    return RemovalPolicy.RETAIN if environment.keeps_data else RemovalPolicy.DESTROY
