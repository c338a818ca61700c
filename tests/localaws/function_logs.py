"""Writes what functions print to CloudWatch Logs, and turns metrics embedded in it into CloudWatch metrics, as AWS does.

A stand-in that dropped the embedded metric format would let a function pass whose metrics nobody could ever see.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from tests.localaws import address
from tests.localaws.functions import Result

_LOG: Final = logging.getLogger(__name__)
_BATCH: Final = 20
_KNOWN: set[tuple[str, str]] = set()


def write_log(function: str, version: str, result: Result) -> None:
    """Log one call the way Lambda frames it."""
    group, stream = f"/aws/lambda/{function}", f"{time.strftime('%Y/%m/%d')}/[{version}]local"
    _make(group, stream)
    lines = [
        f"START RequestId: {result.request_id} Version: {version}",
        *result.log.splitlines(),
        *([_error_line(result)] if result.failed else []),
        f"END RequestId: {result.request_id}",
        f"REPORT RequestId: {result.request_id} Duration: {result.duration_ms:.2f} ms",
    ]
    if result.failed:
        _LOG.warning("%s %s", function, _error_line(result))
    now = int(time.time() * 1_000)
    events = [{"timestamp": now, "message": line} for line in lines if line.strip()]
    address.client("logs").put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    for namespace, data in embedded_metrics(result.log):
        for start in range(0, len(data), _BATCH):
            address.client("cloudwatch").put_metric_data(
                Namespace=namespace, MetricData=data[start : start + _BATCH]
            )


def _error_line(result: Result) -> str:
    """As Lambda's runtime logs what a handler raised, without the lines of the trace."""
    said = json.loads(result.payload)
    return f"[ERROR] {said['errorType']}: {said['errorMessage']}"


def _make(group: str, stream: str) -> None:
    if (group, stream) in _KNOWN:
        return
    logs = address.client("logs")
    with contextlib.suppress(ClientError):
        logs.create_log_group(logGroupName=group)
    with contextlib.suppress(ClientError):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    _KNOWN.add((group, stream))


def embedded_metrics(log: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Namespace and data of every line that is in the embedded metric format."""
    for line in log.splitlines():
        if '"CloudWatchMetrics"' not in line:
            continue
        with contextlib.suppress(ValueError):
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                yield directive["Namespace"], list(_data(directive, document))


def _data(directive: dict[str, Any], document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for metric in directive["Metrics"]:
        given = document.get(metric["Name"])
        if given is None:
            continue
        values = [float(value) for value in (given if isinstance(given, list) else [given])]
        for names in directive["Dimensions"]:
            yield {
                "MetricName": metric["Name"],
                "Unit": metric.get("Unit", "None"),
                "Values": values,
                "Dimensions": [{"Name": name, "Value": str(document[name])} for name in names],
            }
