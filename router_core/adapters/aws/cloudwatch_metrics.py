"""What CloudWatch says of a target that has no health page of its own: SageMaker endpoints, ECS services, Bedrock models.

Decides what counts as down: nothing but errors came back. CloudWatch is a minute or more behind, so this complements what
requests themselves show; a look costs money, so between two the last reading is given again. Averages and sums only: percentiles of short periods say little, and not every
CloudWatch-compatible server has them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import COMMON_FAULTS, AwsThreads, Faults, store_errors
from router_core.errors import StoreError
from router_core.ports import Reading
from router_core.record import dataclass

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient

PERIOD_S: Final = 60
LOOK_BACK_S: Final = 300
DOWN_AFTER: Final = 3
"""Errors within `LOOK_BACK_S` from which a target that answered nothing else is down."""
EVERY_S: Final = 60.0
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "InvalidNextToken": (StoreError, "does not accept such a request"),
    "InvalidParameterValue": (StoreError, "does not accept such a request"),
    "InvalidParameterCombination": (StoreError, "does not accept such a request"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One metric: `statistic` Sum or Average; `scale` turns its unit into ours (seconds into milliseconds: 1000)."""

    metric: str
    statistic: str = "Sum"
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Where a kind of target tells of itself. `invocations`, `latency_ms`, `errors`, `throttles`, `input_tokens` and
    `output_tokens` are looked for; a service that has no such metric leaves it out."""

    namespace: str
    queries: Mapping[str, Query]


SAGEMAKER: Final = Watch(
    namespace="AWS/SageMaker",
    queries={
        "invocations": Query(metric="Invocations"),
        "latency_ms": Query(metric="ModelLatency", statistic="Average", scale=0.001),
        "errors": Query(metric="Invocation5XXErrors"),
    },
)
"""Dimensions EndpointName and VariantName; ModelLatency is in microseconds."""
BEDROCK: Final = Watch(
    namespace="AWS/Bedrock",
    queries={
        "invocations": Query(metric="Invocations"),
        "latency_ms": Query(metric="InvocationLatency", statistic="Average"),
        "errors": Query(metric="InvocationServerErrors"),
        "throttles": Query(metric="InvocationThrottles"),
        "input_tokens": Query(metric="InputTokenCount"),
        "output_tokens": Query(metric="OutputTokenCount"),
    },
)
"""Dimension ModelId. `Invocations` counts those that succeeded."""
ECS: Final = Watch(
    namespace="AWS/ApplicationELB",
    queries={
        "invocations": Query(metric="RequestCount"),
        "latency_ms": Query(metric="TargetResponseTime", statistic="Average", scale=1000.0),
        "errors": Query(metric="HTTPCode_Target_5XX_Count"),
    },
)
"""A service behind a load balancer: dimensions LoadBalancer and TargetGroup; ECS itself measures no requests."""

WATCHES: Final[Mapping[str, Watch]] = {"bedrock": BEDROCK, "openai": ECS, "sagemaker": SAGEMAKER}
"""By the kind of a target."""


class CloudWatchProbe:
    """HealthProbe by GetMetricData, in a thread. Between two looks the last reading is given again."""

    def __init__(
        self,
        client: CloudWatchClient,
        watch: Watch,
        dimensions: Mapping[str, str],
        *,
        every_s: float = EVERY_S,
        threads: AwsThreads | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._watch = client, watch
        self._dimensions = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        self._every_s, self._monotonic = every_s, monotonic
        self._threads = threads or AwsThreads(workers=1, waiting=1)
        self._reading: Reading | None = None
        self._looked_s = float("-inf")
        self._requests_total = 0.0
        self._counted_until: datetime | None = None

    async def probe(self) -> Reading:
        """What the last minutes show. Never raises. While CloudWatch itself does not answer, nothing is known, and the
        first look says so; a later call waits for the next look that works, and whoever keeps readings sees its last one grow old."""
        while True:
            now = self._monotonic()
            if self._reading is not None and now - self._looked_s < self._every_s:
                return self._reading
            self._looked_s = now
            try:
                self._reading = self._read(await self._threads.run(self._look))
            except StoreError as error:
                if self._reading is None:
                    return Reading(up=False, known=False, detail=str(error))
                await asyncio.sleep(self._every_s)

    async def close(self) -> None:
        """Wait for a look that runs."""
        await self._threads.close()

    def _look(self) -> dict[str, dict[datetime, float]]:
        end = datetime.now(UTC).replace(second=0, microsecond=0)
        queries: list[Any] = [
            {
                "Id": f"q_{name}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": self._watch.namespace,
                        "MetricName": query.metric,
                        "Dimensions": self._dimensions,
                    },
                    "Period": PERIOD_S,
                    "Stat": query.statistic,
                },
                "ReturnData": True,
            }
            for name, query in self._watch.queries.items()
        ]
        with store_errors("CloudWatch", FAULTS):
            answer = self._client.get_metric_data(
                MetricDataQueries=queries,
                StartTime=end - timedelta(seconds=LOOK_BACK_S),
                EndTime=end,
                ScanBy="TimestampAscending",
            )
        return {
            row["Id"].removeprefix("q_"): dict(zip(row["Timestamps"], row["Values"], strict=True))
            for row in answer["MetricDataResults"]
        }

    def _read(self, series: Mapping[str, Mapping[datetime, float]]) -> Reading:
        """Minutes that were counted already are not counted again: `requests_total` grows by each minute once."""
        fresh = [
            (at, value)
            for at, value in series.get("invocations", {}).items()
            if self._counted_until is None or at > self._counted_until
        ]
        if fresh:
            self._counted_until = max(at for at, _ in fresh)
            self._requests_total += sum(value for _, value in fresh)
        invocations, errors, throttles = (
            sum(series.get(name, {}).values()) for name in ("invocations", "errors", "throttles")
        )
        # Bedrock counts only successes as invocations, the others count errors in: both read right this way.
        down = errors >= max(DOWN_AFTER, invocations)
        said = f"{invocations:g} invocations, {errors:g} errors, {throttles:g} throttles"
        if latencies := series.get("latency_ms"):
            latency_ms = latencies[max(latencies)] * self._watch.queries["latency_ms"].scale
            said += f", {latency_ms:.0f} ms on average"
        newest = _newest(series)
        tokens = newest.get("input_tokens", 0.0) + newest.get("output_tokens", 0.0)
        return Reading(
            up=not down,
            load=_throttled(newest),
            requests_per_min=newest.get("invocations", 0.0) + newest.get("throttles", 0.0),
            tokens_per_min=tokens,
            requests_total=self._requests_total,
            detail=said,
        )


def _newest(series: Mapping[str, Mapping[datetime, float]]) -> dict[str, float]:
    """The values of the newest minute that any metric has; a metric that is silent in it is 0."""
    minute = max((max(values) for values in series.values() if values), default=None)
    if minute is None:
        return {}
    return {name: values[minute] for name, values in series.items() if minute in values}


def _throttled(newest: Mapping[str, float]) -> float | None:
    """A target that throttles half of the calls is as busy as can be."""
    throttles = newest.get("throttles", 0.0)
    return min(1.0, 2.0 * throttles / (throttles + newest.get("invocations", 0.0))) if throttles else None
