"""The rows of the dashboard: what each tier and agent does, how well, what it costs, and what lies underneath.

Each row is a title and the graphs beneath it. Tiers are named; targets and models are found by CloudWatch itself, so
that a target which is added later shows up without a deployment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_cloudwatch as cw

from infra.constructs.measured import aws, denied, each, found, ours, share
from infra.constructs.watched import Watched
from router_core.deployment import resource_name

TIERS: Final = ("device", "mec", "cloud")
BY_TARGET: Final = ("Env", "Tier", "Target")
BY_AGENT: Final = ("Env", "Agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One graph; `right` has an axis of its own."""

    title: str
    left: Sequence[cw.IMetric]
    right: Sequence[cw.IMetric] = ()


Row = tuple[str, tuple[Graph, ...]]


def rows(watched: Watched) -> Iterator[Row]:
    """All rows of one environment, what a user notices first."""
    yield _traffic(watched.env)
    yield _latency(watched.env)
    yield _cost(watched.env)
    yield _quality(watched.env)
    yield _fallbacks(watched.env)
    yield _agents(watched)
    yield _cache_and_policy(watched.env)
    yield _models()
    yield _functions(watched)
    yield _tables(watched)
    yield _stream(watched)
    yield _service(watched)
    yield _security(watched)


def _by_tier(env: str, name: str, statistic: str = "Sum") -> list[cw.IMetric]:
    return [ours(env, name, statistic, Tier=tier) for tier in TIERS]


def _share_by_tier(env: str, part: str, whole: str = "Requests") -> list[cw.IMetric]:
    return [share(ours(env, part, Tier=tier), ours(env, whole, Tier=tier), tier) for tier in TIERS]


def _traffic(env: str) -> Row:
    whole = share(ours(env, "Errors"), ours(env, "Requests"), "all")
    return "Traffic and errors", (
        Graph(title="Requests by tier", left=_by_tier(env, "Requests")),
        Graph(title="Requests by target", left=[each(env, "Requests", "Sum", BY_TARGET)]),
        Graph(title="Share of errors by tier", left=[whole, *_share_by_tier(env, "Errors")]),
        Graph(
            title="Refused (no target may or can)",
            left=[ours(env, "Refusals")],
            right=[ours(env, "Errors")],
        ),
    )


def _latency(env: str) -> Row:
    return "Latency (ms)", (
        Graph(title="All", left=[ours(env, "LatencyMs", p) for p in ("p50", "p90", "p99")]),
        Graph(title="p50 by tier", left=_by_tier(env, "LatencyMs", "p50")),
        Graph(title="p90 by tier", left=_by_tier(env, "LatencyMs", "p90")),
        Graph(title="p99 by tier", left=_by_tier(env, "LatencyMs", "p99")),
        Graph(title="p99 by target", left=[each(env, "LatencyMs", "p99", BY_TARGET)]),
        Graph(title="Time to first token, p90 by tier", left=_by_tier(env, "TimeToFirstTokenMs", "p90")),
    )


def _cost(env: str) -> Row:
    per_request = share(ours(env, "CostUsd"), ours(env, "Requests"), "USD per request")
    return "Cost", (
        Graph(title="USD by tier", left=_by_tier(env, "CostUsd"), right=[per_request]),
        Graph(title="USD by target", left=[each(env, "CostUsd", "Sum", BY_TARGET)]),
        Graph(title="Tokens by tier", left=_by_tier(env, "Tokens")),
    )


def _quality(env: str) -> Row:
    return "Confidence, accuracy, satisfaction", (
        Graph(
            title="Confidence of decisions",
            left=[ours(env, "Confidence", "Average"), *_by_tier(env, "Confidence", "Average")],
        ),
        Graph(
            title="Decision accuracy (answered by the first choice)",
            left=[
                ours(env, "DecisionAccuracy", "Average"),
                *_by_tier(env, "DecisionAccuracy", "Average"),
            ],
        ),
        Graph(
            title="User satisfaction (feedback, 0 to 1)",
            left=[ours(env, "Feedback", "Average"), *_by_tier(env, "Feedback", "Average")],
            right=[ours(env, "Feedback", "SampleCount")],
        ),
        Graph(title="Satisfaction by target", left=[each(env, "Feedback", "Average", BY_TARGET)]),
    )


def _fallbacks(env: str) -> Row:
    whole = share(ours(env, "Fallbacks"), ours(env, "Requests"), "all")
    return "Fallbacks", (
        Graph(title="Fallback rate by tier", left=[whole, *_share_by_tier(env, "Fallbacks")]),
        Graph(title="Fallbacks by target", left=[each(env, "Fallbacks", "Sum", BY_TARGET)]),
        Graph(title="Fallbacks by agent", left=[each(env, "Fallbacks", "Sum", BY_AGENT)]),
    )


def _agents(watched: Watched) -> Row:
    """An agent is a function here, so Lambda tells its runs; what an agent tells by itself stands beside it."""
    env = watched.env

    def every(name: str, statistic: str = "Sum") -> list[cw.IMetric]:
        return [
            aws("Lambda", name, statistic, FunctionName=resource_name(env, agent)) for agent in watched.agents
        ]

    return "Agents", (
        Graph(title="Errors by agent", left=[*every("Errors"), each(env, "AgentErrors", "Sum", BY_AGENT)]),
        Graph(
            title="p99 by agent (ms)",
            left=[*every("Duration", "p99"), each(env, "LatencyMs", "p99", BY_AGENT)],
        ),
        Graph(title="Decision (ms)", left=[ours(env, "DecisionMs", p) for p in ("p50", "p90", "p99")]),
    )


def _cache_and_policy(env: str) -> Row:
    hits, misses = ours(env, "CacheHits"), ours(env, "CacheMisses")
    rate = cw.MathExpression(
        expression="hits / (hits + misses)", using_metrics={"hits": hits, "misses": misses}, label="hit rate"
    )
    return "Cache and policy", (
        Graph(title="Cache", left=[hits, misses], right=[rate]),
        Graph(title="Refused policies, dropped events", left=[ours(env, "PolicyRefused"), ours(env, "EventsDropped")]),
    )  # fmt: skip


def _models() -> Row:
    by_model = "{AWS/Bedrock,ModelId}"
    return "Bedrock", (
        Graph(title="Invocations", left=[found(f'{by_model} MetricName="Invocations"', "Sum")]),
        Graph(title="Latency p99 (ms)", left=[found(f'{by_model} MetricName="InvocationLatency"', "p99")]),
        Graph(
            title="Throttles and errors",
            left=[
                found(f'{by_model} MetricName="InvocationThrottles"', "Sum"),
                found(f'{by_model} MetricName="InvocationServerErrors"', "Sum"),
            ],
        ),
    )


def _functions(watched: Watched) -> Row:
    def every(name: str, statistic: str = "Sum") -> list[cw.IMetric]:
        return [aws("Lambda", name, statistic, FunctionName=function) for function in watched.functions]

    return "Lambda", (
        Graph(title="Invocations", left=every("Invocations")),
        Graph(title="Errors", left=every("Errors")),
        Graph(title="Duration p99 (ms)", left=every("Duration", "p99")),
        Graph(
            title="Throttles, concurrent runs",
            left=every("Throttles"),
            right=every("ConcurrentExecutions", "Maximum"),
        ),
    )


def _tables(watched: Watched) -> Row:
    def every(name: str) -> list[cw.IMetric]:
        return [aws("DynamoDB", name, TableName=table) for table in watched.tables]

    schema = "{AWS/DynamoDB,Operation,TableName}"
    own = f'TableName="tierwise-{watched.env}"'
    return "DynamoDB", (
        Graph(title="Consumed reads", left=every("ConsumedReadCapacityUnits")),
        Graph(title="Consumed writes", left=every("ConsumedWriteCapacityUnits")),
        Graph(title="Throttled", left=[*every("ReadThrottleEvents"), *every("WriteThrottleEvents")]),
        Graph(
            title="Latency p99 (ms)",
            left=[found(f'{schema} MetricName="SuccessfulRequestLatency" {own}', "p99")],
        ),
    )


def _stream(watched: Watched) -> Row:
    def of_stream(name: str, statistic: str = "Sum") -> cw.Metric:
        return aws("Kinesis", name, statistic, StreamName=watched.stream)

    return "Events", (
        Graph(
            title="Records in and out",
            left=[of_stream("IncomingRecords"), of_stream("GetRecords.Records")],
        ),
        Graph(
            title="Iterator age (ms)",
            left=[
                of_stream("GetRecords.IteratorAgeMilliseconds", "Maximum"),
                aws("Lambda", "IteratorAge", "Maximum", FunctionName=watched.analytics),
            ],
        ),
        Graph(title="Write throttles", left=[of_stream("WriteProvisionedThroughputExceeded")]),
        Graph(
            title="Dead letters",
            left=[
                aws("SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QueueName=queue)
                for queue in watched.dead_letters
            ],
        ),
    )


def _service(watched: Watched) -> Row:
    def of_service(name: str) -> cw.Metric:
        return aws("ECS", name, "Average", ClusterName=watched.cluster, ServiceName=watched.service)

    return "Gateway service and API", (
        Graph(title="CPU, memory (%)", left=[of_service("CPUUtilization"), of_service("MemoryUtilization")]),
        Graph(
            title="API: requests and errors",
            left=[aws("ApiGateway", name, ApiName=watched.api) for name in ("Count", "4XXError", "5XXError")],
        ),
        Graph(title="API: latency p99 (ms)", left=[aws("ApiGateway", "Latency", "p99", ApiName=watched.api)]),
    )


def _security(watched: Watched) -> Row:
    def blocked(name: str) -> list[cw.IMetric]:
        return [aws("WAFV2", name, WebACL=acl, Region=watched.region, Rule="ALL") for acl in watched.web_acls]

    return "Security", (
        Graph(title="Firewall: blocked", left=blocked("BlockedRequests")),
        Graph(title="Firewall: allowed", left=blocked("AllowedRequests")),
        Graph(title="401 and 403", left=[denied(watched.env)]),
    )
