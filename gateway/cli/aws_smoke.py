"""`tierwise aws smoke`: is the environment in this account what the templates say, and does it answer?

Only reads, unless `--ask` sends one request. Every check is one line; a check that fails does not end the others, because
whoever runs this wants the whole picture at once.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.cli.client import client_from
from gateway.cli.output import print_json, print_table
from router_core import deployment
from router_core.adapters.aws.client import aws_client
from router_core.errors import TierwiseError
from router_core.policy.parse import parse
from router_core.stages import NAMES

_DONE: Final = frozenset(("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"))

_MACHINES: Final = {deployment.MACHINE: "STANDARD", deployment.SYNC_MACHINE: "EXPRESS"}
_BUCKETS: Final = (deployment.ARCHIVE_BUCKET, deployment.LAKE_BUCKET, deployment.MODELS_BUCKET)
_DEAD_LETTERS: Final = ("events-dlq", "functions-dlq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what was looked at, whether it is as it should be, and what was seen."""

    check: str
    ok: bool
    seen: str


def run(options: argparse.Namespace) -> int:
    """Print every finding; 1 when any is bad."""
    findings = list(look(options.env, aws_client, options.url, ask=options.ask))
    if options.json:
        print_json([{"check": one.check, "ok": one.ok, "seen": one.seen} for one in findings])
    else:
        rows = [(one.check, "ok" if one.ok else "FAILED", one.seen) for one in findings]
        print_table(("check", "", "seen"), rows, title=f"{options.env}, read only" * (not options.ask))
    return 0 if all(one.ok for one in findings) else 1


def look(env: str, client: Callable[[str], Any], url: str | None, *, ask: bool) -> Iterator[Finding]:
    """All checks, in the order in which one would look for a fault."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("account", lambda: str(client("sts").get_caller_identity()["Account"])),
        ("stacks", lambda: _stacks(env, client("cloudformation"))),
        ("policy", lambda: _policy(env, client("ssm"))),
        ("tables", lambda: _tables(env, client("dynamodb"))),
        ("stream", lambda: _stream(env, client("kinesis"))),
        ("functions", lambda: _functions(env, client("lambda"))),
        ("workflow", lambda: _workflow(env, client("stepfunctions"))),
        ("buckets", lambda: _buckets(env, client("sts"), client("s3"))),
        ("dead letters", lambda: _dead_letters(env, client("sqs"))),
        ("alarms", lambda: _alarms(env, client("cloudwatch"))),
    ]
    if url is not None:
        checks.append(("decision", lambda: _answers(url, "POST", "/explain", {"input": "Say hello."})))
        if ask:
            checks.append(("answer", lambda: _answers(url, "POST", "/inference", {"input": "Say hello."})))
    for name, check in checks:
        yield _found(name, check)


def _found(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(check=name, ok=True, seen=check())
    except _Wrong as wrong:
        return Finding(check=name, ok=False, seen=str(wrong))
    except TierwiseError as error:
        return Finding(check=name, ok=False, seen=str(error))
    except Exception as error:  # the SDK's own errors are many, and each is a finding
        return Finding(check=name, ok=False, seen=f"{type(error).__name__}: {str(error)[:200]}")


class _Wrong(Exception):
    """What was seen is not what should be there."""


def _stacks(env: str, client: Any) -> str:
    pages = client.get_paginator("describe_stacks").paginate()
    prefix = f"tierwise-{env}-"
    found = {
        stack["StackName"]: stack["StackStatus"]
        for page in pages
        for stack in page["Stacks"]
        if stack["StackName"].startswith(prefix)
    }
    wrong = {name: status for name, status in found.items() if status not in _DONE}
    if wrong or not found:
        raise _Wrong(f"not as they should be: {wrong}" if wrong else f"there is no stack {prefix}*")
    return f"{len(found)} complete"


def _policy(env: str, client: Any) -> str:
    name = deployment.policy_parameter(env)
    got = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    return f"{parse(got['Value'].encode()).label}, version {got['Version']} of {name}"


def _tables(env: str, client: Any) -> str:
    for table in deployment.TABLES:
        name = deployment.resource_name(env, table)
        status = client.describe_table(TableName=name)["Table"]["TableStatus"]
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        if status != "ACTIVE" or recovery != "ENABLED":
            raise _Wrong(f"{name} is {status}, point-in-time recovery {recovery}")
    return f"{len(deployment.TABLES)} active, with point-in-time recovery"


def _stream(env: str, client: Any) -> str:
    name = deployment.resource_name(env, deployment.STREAM)
    told = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    if told["StreamStatus"] != "ACTIVE" or told.get("EncryptionType") != "KMS":
        raise _Wrong(f"{name} is {told['StreamStatus']}, encryption {told.get('EncryptionType')}")
    return f"{name} active and encrypted"


def _functions(env: str, client: Any) -> str:
    wanted = [deployment.resource_name(env, name) for name in (*deployment.FUNCTIONS, *NAMES)]
    for name in wanted:
        state = client.get_function_configuration(FunctionName=name)
        if state.get("State", "Active") not in ("Active", "Inactive"):
            raise _Wrong(f"{name} is {state['State']}")
    return f"{len(wanted)} there"


def _workflow(env: str, client: Any) -> str:
    pages = client.get_paginator("list_state_machines").paginate()
    there = {machine["name"]: machine["type"] for page in pages for machine in page["stateMachines"]}
    for name, kind in _MACHINES.items():
        found = there.get(deployment.resource_name(env, name))
        if found != kind:
            raise _Wrong(f"{deployment.resource_name(env, name)} is {found or 'not there'}, not {kind}")
    return f"{len(_MACHINES)} there"


def _buckets(env: str, sts: Any, client: Any) -> str:
    """Ours are named after account and region; a bucket that is open or plain is the worst that can be found here."""
    account, region = sts.get_caller_identity()["Account"], client.meta.region_name
    for what in _BUCKETS:
        name = f"{deployment.resource_name(env, what)}-{account}-{region}"
        closed = client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        rules = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        if not all(closed.values()) or not rules:
            raise _Wrong(
                f"{name} is {'not encrypted' if all(closed.values()) else 'not closed to the public'}"
            )
    return f"{len(_BUCKETS)} closed and encrypted"


def _dead_letters(env: str, client: Any) -> str:
    """What ended there was lost on its way and waits for somebody."""
    waiting = {}
    for name in (deployment.resource_name(env, what) for what in _DEAD_LETTERS):
        url = client.get_queue_url(QueueName=name)["QueueUrl"]
        told = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        waiting[name] = int(told["Attributes"]["ApproximateNumberOfMessages"])
    if any(waiting.values()):
        raise _Wrong(f"waiting: {', '.join(f'{name} {count}' for name, count in waiting.items() if count)}")
    return f"{len(waiting)} queues, nothing waits"


def _alarms(env: str, client: Any) -> str:
    pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"tierwise-{env}-")
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    ringing = [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
    if ringing or not alarms:
        raise _Wrong(f"in alarm: {', '.join(ringing)}" if ringing else "there are none")
    return f"{len(alarms)}, none in alarm"


def _answers(url: str, method: str, path: str, body: dict[str, str] | None = None) -> str:
    """The gateway's service shows its readiness; API Gateway in front of a function only answers."""
    answered = client_from(url, os.environ).call(method, path, body)
    routing = answered.get("routing") if isinstance(answered, dict) else None
    return f"{routing['target']} answered" if routing else "answered"
