"""A gateway with two providers that are really the test's upstream, everything that could repeat a key switched on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.faults.settings_file import CREDENTIALS
from tests.e2e.lifecycle.house import SECRETS, House, open_house
from tests.upstream.server import FaultServer

CANARY = "sk-canary0fthe0wlhouse-27182818"
HEADER = "x-tierwise-provider-key"
LENT_S = 0.5


@contextmanager
def byok_house(
    folder: Path, upstream: FaultServer, *, ttl_s: float = 600.0, environment: Mapping[str, str] | None = None
) -> Iterator[House]:
    """`tierwise serve` with targets byok/open and byok/gem."""
    common = {"model": "test-model", "region": "us-east-1", "key_ttl_s": ttl_s, "max_privacy": "confidential"}
    providers = [
        {"name": "open", "kind": "openai", "base_url": upstream.base_url, **common},
        {"name": "gem", "kind": "google", "base_url": f"{upstream.url}/v1beta", **common},
    ]
    variables = {
        "TIERWISE_PROVIDERS": json.dumps(providers),
        "TIERWISE_JOBS__LENT_S": f"{LENT_S:g}",
        "TIERWISE_JOBS__TRIES": "1",
        **(environment or {}),
    }
    with open_house(folder, upstream, environment=variables) as house:
        yield house


def asked(target: str, **more: Any) -> dict[str, Any]:
    return {"input": "Tell me about trees.", "preferences": {"target": target}, **more}


def accepted(client: httpx2.Client, target: str, **more: Any) -> str:
    reply = client.post("/inference", json=asked(target, mode="async", **more), headers={HEADER: CANARY})
    assert reply.status_code == 202, reply.text
    return reply.headers["location"]


def queue(folder: Path, *arguments: str) -> str:
    """What an operator's look into the queues prints."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "queue", *arguments, "--config", "tierwise.toml"],
        cwd=folder,
        env={**_plain(), **CREDENTIALS, **SECRETS},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout + done.stderr


def _plain() -> dict[str, str]:

    return {name: value for name, value in os.environ.items() if not name.startswith(("TIERWISE_", "AWS_"))}


def sightings(folder: Path, *said: str) -> list[str]:
    """Files and texts in which the key can be read."""
    found = [
        str(file) for file in folder.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()
    ]
    return found + [text[:80] for text in said if CANARY in text]


def key_of(exchange: Any) -> str:
    """The key with which the upstream was asked."""
    headers = exchange.headers
    return str(headers.get("x-goog-api-key") or headers.get("authorization", "").removeprefix("Bearer "))
