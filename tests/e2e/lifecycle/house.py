"""A gateway with one target of each tier, two tenants, and an upstream whose pace a test can set."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from router_core.adapters.events.reader import Damage, read
from tests.e2e.faults.settings_file import CREDENTIALS, write_settings
from tests.running import RunningGateway, running_gateway
from tests.upstream.server import FaultServer

PATIENCE_S = 15.0
NODE = "mec/node"
SECRETS = {"ACME_KEY": "key-of-acme-0001", "OTHER_KEY": "key-of-other-0002"}
KEYS = [
    {"id": "acme", "tenant": "acme", "role": "user", "secret": "env:ACME_KEY"},
    {"id": "other", "tenant": "other", "role": "user", "secret": "env:OTHER_KEY"},
]
POLICY: dict[str, Any] = {
    "name": "lifecycle",
    "retry": {"attempts_per_target": 1},
    "breaker": {"failures": 1_000_000, "min_samples": 1_000, "error_rate": 1.0},
}
ACME, OTHER = SECRETS["ACME_KEY"], SECRETS["OTHER_KEY"]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A running gateway and the upstream behind its node and its cloud."""

    gateway: RunningGateway
    upstream: FaultServer

    @property
    def events(self) -> Path:
        return self.gateway.stdout.parent / "var" / "events"

    def client(self, key: str = ACME) -> httpx2.Client:
        """A client of one tenant. Every request of it takes a connection of its own, so that workers take turns."""
        headers = {"authorization": f"Bearer {key}", "connection": "close"}
        return httpx2.Client(base_url=self.gateway.url, headers=headers, timeout=PATIENCE_S, trust_env=False)

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Good records of a kind; the log must hold no damaged line."""
        damage = Damage()
        found = [record for record in read(self.events, damage) if record["kind"] == kind]
        assert damage.frames == 0
        return found


@contextmanager
def open_house(
    folder: Path,
    upstream: FaultServer,
    *arguments: str,
    drain_s: float = 10.0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[House]:
    """`tierwise serve` in `folder`; started there again, it finds its former records. `environment` comes on top."""
    near = {
        "kind": "openai",
        "base_url": upstream.base_url,
        "model": "test-model",
        "tools": True,
        "continues": True,
    }
    far = {
        "kind": "bedrock",
        "endpoint_url": upstream.url,
        "model": "amazon.nova-lite-v1:0",
        "region": "eu-central-1",
    }
    targets: list[dict[str, Any]] = [
        {"name": "device/intent-v1", "kind": "onnx", "model": "intent-v1"},
        {"name": NODE, "timeout_s": 30.0, "max_concurrency": 64, **near},
        {"name": "cloud/lite", **far},
    ]
    file = write_settings(folder, targets, POLICY, server={"drain_s": drain_s})
    variables = {**CREDENTIALS, **SECRETS, "TIERWISE_KEYS": json.dumps(KEYS), **(environment or {})}
    # The sandbox adds a key of its own to print; with every tier configured it adds nothing else.
    with running_gateway(
        "--sandbox", "--config", str(file), *arguments, folder=folder, environment=variables
    ) as gateway:
        yield House(gateway=gateway, upstream=upstream)


def near_only(**more: Any) -> dict[str, Any]:
    """An ordinary request that only the node can answer."""
    return {"input": "Tell me about trees.", "preferences": {"tiers": ["mec"]}, **more}


def until(seen: Callable[[], Any]) -> Any:
    """What `seen` gives once it is true; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := seen()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found
