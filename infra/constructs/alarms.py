"""When somebody is told: one alarm per thing that a person can act on, each sent to the alert topic.

`RELEASE` names those that also stop and undo a release: they speak of every request, not of one customer's traffic,
and a healthy release cannot set them off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.measured import FIVE_MINUTES, aws, denied, ours, share, total
from infra.constructs.watched import Watched
from infra.sizing import AlarmLimits
from router_core.deployment import resource_name

ENOUGH_REQUESTS = 20
RELEASE = ("error-share", "latency-p99", "policy-refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`name` goes off when `metric` is above `limit` (or `below` it) in `of` periods, at least `hits` times."""

    name: str
    metric: cw.IMetric
    limit: float
    says: str
    hits: int = 2
    of: int = 3
    below: bool = False


def judged(watched: Watched, limits: AlarmLimits) -> Iterator[Judged]:
    """Everything that is judged in one environment."""
    yield from _requests(watched.env, limits)
    yield from _services(watched)
    yield from _losses(watched)
    yield from _security(watched, limits)


def _requests(env: str, limits: AlarmLimits) -> Iterator[Judged]:
    requests = ours(env, "Requests")
    yield Judged(
        name="error-share",
        metric=share(ours(env, "Errors"), requests, "share of failed requests", ENOUGH_REQUESTS),
        limit=limits.error_share,
        says="Requests fail: look at the targets' errors on the dashboard, then at /admin/targets.",
    )
    yield Judged(
        name="latency-p99",
        metric=ours(env, "LatencyMs", "p99"),
        limit=limits.latency_p99_ms,
        says="The slowest requests are too slow: look at latency by target.",
    )
    yield Judged(
        name="fallback-share",
        metric=share(ours(env, "Fallbacks"), requests, "share of fallbacks", ENOUGH_REQUESTS),
        limit=limits.fallback_share,
        says="Chosen targets fail and others answer: a tier is down or the policy misjudges it.",
    )
    yield Judged(
        name="confidence",
        metric=ours(env, "Confidence", "Average"),
        limit=limits.confidence_min,
        says="Decisions are unsure: targets are hard to tell apart, or their figures are stale.",
        hits=3,
        below=True,
    )
    yield Judged(
        name="cost-per-hour",
        metric=ours(env, "CostUsd", period=cdk.Duration.hours(1)),
        limit=limits.cost_usd_per_hour,
        says="Targets cost more per hour than planned: look at cost by tier and at the policy's limits.",
        hits=1,
        of=1,
    )
    yield Judged(
        name="policy-refused",
        metric=ours(env, "PolicyRefused"),
        limit=0,
        says="A policy document is invalid; the last good one stays. Run `tierwise policy validate`.",
        hits=1,
        of=1,
    )


def _services(watched: Watched) -> Iterator[Judged]:
    throttled = {
        f"{event[0].lower()}{index}": aws("DynamoDB", f"{event}ThrottleEvents", TableName=table)
        for index, table in enumerate(watched.tables)
        for event in ("Read", "Write")
    }
    yield Judged(
        name="table-throttles",
        metric=total(throttled, "throttled reads and writes"),
        limit=0,
        says="DynamoDB throttles: a partition is hot, or a limit of the account is reached.",
    )
    yield Judged(
        name="function-throttles",
        metric=aws("Lambda", "Throttles"),
        limit=0,
        says="Lambda throttles: raise the concurrency that is reserved, or the account's.",
    )
    yield Judged(
        name="model-throttles",
        metric=_queried('SELECT SUM(InvocationThrottles) FROM SCHEMA("AWS/Bedrock", ModelId)'),
        limit=10,
        says="Bedrock throttles: requests fall back. Raise the quota or lower the tier's share.",
    )
    yield Judged(
        name="provisioned-spill",
        metric=_queried('SELECT SUM(ProvisionedConcurrencySpilloverInvocations) FROM "AWS/Lambda"'),
        limit=0,
        says="More requests than warm functions: some start cold. Raise `provisioned`.",
        hits=3,
    )


def _losses(watched: Watched) -> Iterator[Judged]:
    waiting = {
        f"q{index}": aws("SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QueueName=queue)
        for index, queue in enumerate(watched.dead_letters)
    }
    yield Judged(
        name="dead-letters",
        metric=total(waiting, "messages given up on"),
        limit=0,
        says="Records could not be processed and wait in a dead-letter queue.",
        hits=1,
        of=1,
    )
    yield Judged(
        name="iterator-age",
        metric=aws("Lambda", "IteratorAge", "Maximum", FunctionName=watched.analytics),
        limit=300_000,
        says="Analytics is five minutes behind the stream; records are lost when its retention ends.",
    )
    yield Judged(
        name="events-dropped",
        metric=ours(watched.env, "EventsDropped"),
        limit=0,
        says="Records were dropped because the sink was slower than the traffic.",
    )


def _security(watched: Watched, limits: AlarmLimits) -> Iterator[Judged]:
    blocked = {
        f"w{index}": aws("WAFV2", "BlockedRequests", WebACL=acl, Region=watched.region, Rule="ALL")
        for index, acl in enumerate(watched.web_acls)
    }
    yield Judged(
        name="blocked-requests",
        metric=total(blocked, "requests that the firewall blocked"),
        limit=limits.security_denials_per_5min,
        says="The firewall blocks unusually many requests: look at its log.",
    )
    yield Judged(
        name="denied-requests",
        metric=denied(watched.env),
        limit=limits.security_denials_per_5min,
        says="Unusually many requests came with no key or a wrong one: look at the API's access log.",
    )


def _queried(query: str) -> cw.MathExpression:
    return cw.MathExpression(expression=query, using_metrics={}, period=FIVE_MINUTES, label="total")


class Alarms(Construct):
    """The alarms, and `tierwise-ENV-release`, which goes off when any of `RELEASE` does: pipelines watch that one."""

    def __init__(
        self, scope: Construct, id: str, *, watched: Watched, limits: AlarmLimits, topic: sns.ITopic
    ) -> None:
        super().__init__(scope, id)
        action = actions.SnsAction(topic)
        self.by_name = {item.name: self._alarm(watched.env, item) for item in judged(watched, limits)}
        for alarm in self.by_name.values():
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
        self.release = cw.CompositeAlarm(
            self,
            "Release",
            composite_alarm_name=release_alarm_name(watched.env),
            alarm_description="A release makes things worse: stop it and go back.",
            alarm_rule=cw.AlarmRule.any_of(*(self.by_name[name] for name in RELEASE)),
        )
        self.release.add_alarm_action(action)

    def _alarm(self, env: str, item: Judged) -> cw.Alarm:
        operators = cw.ComparisonOperator
        return cw.Alarm(
            self,
            item.name,
            alarm_name=alarm_name(env, item.name),
            alarm_description=item.says,
            metric=item.metric,
            threshold=item.limit,
            evaluation_periods=item.of,
            datapoints_to_alarm=item.hits,
            comparison_operator=operators.LESS_THAN_THRESHOLD
            if item.below
            else operators.GREATER_THAN_THRESHOLD,
            treat_missing_data=cw.TreatMissingData.NOT_BREACHING,
        )


def alarm_name(env: str, name: str) -> str:
    return resource_name(env, name)


def release_alarm_name(env: str) -> str:
    return resource_name(env, "release")
