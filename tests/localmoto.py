"""Starts moto's server, which speaks AWS's own wire protocols, and hands out real boto3 clients for it.

One server serves many tests: whoever uses it makes resources of its own under `unique` names and never resets it.
What moto does not do is not proven by it: time to live deletes nothing, limits and access rights are not enforced.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from router_core.deployment import TENANT_INDEX

ACCOUNT = "123456789012"
REGION = "eu-central-1"
READY_S = 60.0
_POLL_S = 0.05
Clients = Callable[[str], Any]
"""Gives the client of a service by its name."""
_RUNNING = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")
_CONFIG = Config(
    retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=20, max_pool_connections=64
)


@contextmanager
def running_moto(folder: Path) -> Iterator[str]:
    """The address of a fresh server on a free port; its log lies in `folder`."""
    log = folder / "moto.log"
    command = [sys.executable, str(Path(__file__).with_name("localmoto_server.py"))]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield _wait_until_ready(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        said = log.read_text(errors="replace")
        if running := _RUNNING.search(said):
            return running[1]
        assert process.poll() is None, f"moto ended with status {process.returncode}\n{said[-2_000:]}"
        time.sleep(_POLL_S)
    raise AssertionError(
        f"moto was not ready within {READY_S:g} s\n{log.read_text(errors='replace')[-2_000:]}"
    )


def environment(endpoint: str) -> dict[str, str]:
    """Variables that send any AWS client of another process to this server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(endpoint: str, service: str, **more: Any) -> Any:
    """A boto3 client of the service; nothing of the caller's own AWS configuration is used. Close it after use."""
    session = boto3.session.Session(
        aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION
    )
    make: Any = session.client
    return make(service, endpoint_url=endpoint, config=_CONFIG, **more)


def unique(prefix: str) -> str:
    """A name that no other test uses, fit for tables, streams, buckets and functions."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def state_table(dynamodb: Any) -> str:
    """A new table with the keys of the deployed `state` table."""
    return _table(dynamodb, "state", [("key", "S", "HASH")])


def decisions_table(dynamodb: Any) -> str:
    """A new table with the keys and the index of the deployed `decisions` table."""
    indexed = [("tenant", "S", "HASH"), ("time", "N", "RANGE")]
    index = {
        "IndexName": TENANT_INDEX,
        "KeySchema": _schema(indexed),
        "Projection": {"ProjectionType": "ALL"},
    }
    keys = [("request_id", "S", "HASH"), ("kind", "S", "RANGE")]
    return _table(dynamodb, "decisions", keys, indexed, GlobalSecondaryIndexes=[index])


Keys = list[tuple[str, str, str]]


def _table(dynamodb: Any, what: str, keys: Keys, indexed: Keys | None = None, **more: Any) -> str:
    name = unique(what)
    dynamodb.create_table(
        TableName=name,
        KeySchema=_schema(keys),
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": kind} for key, kind, _ in (*keys, *(indexed or ()))
        ],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return name


def _schema(keys: Keys) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": role} for name, _, role in keys]


def bucket(s3: Any, what: str) -> str:
    """A new bucket."""
    name = unique(what)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name
