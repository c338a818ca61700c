"""A gateway with a real device model, two nodes that fail all the time, and a cloud endpoint that counts canaries."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2

from gateway.sandbox.processes import StandIns, start_standins
from tests.e2e.faults.settings_file import write_settings
from tests.e2e.privacy.corpus import ALIASES, CLOUD, CLOUD_EMBED, CONTROL_CANARY, RESTRICTED_CANARY, Asked
from tests.running import RunningGateway, running_gateway
from tests.upstream.faults import Answer, Exchange
from tests.upstream.server import Fault, FaultServer

AT_ONCE = 32
BOUND_S = 30.0
PATIENCE_S = 10.0
NODES = ("mec/shaky", "mec/frail")
POLICY: Mapping[str, Any] = {
    "name": "privacy",
    "limits": {"deadline_ms": 5_000, "stream_idle_ms": 150},
    "retry": {"attempts_per_target": 2, "base_ms": 1, "cap_ms": 5, "max_retry_after_ms": 50},
    # Doors open and close all the time, so that decisions are made in every state of the nodes.
    "breaker": {"open_ms": 50, "failures": 8, "error_rate": 0.9},
    # Even an operator who trusts the cloud with everything that may be trusted to it cannot open it for the restricted.
    "tiers": {"cloud": {"max_privacy": "confidential"}},
}
TROUBLES = (
    Fault(kind="status", status=500),
    Fault(kind="status", status=400),
    Fault(kind="error_body"),
    Fault(kind="cut_after", tokens=0, reset=True),
    Fault(kind="cut_after", tokens=3, reset=True),
    Fault(kind="cut_after", tokens=5),
    Fault(kind="malformed", tokens=3),
    Fault(kind="stream_error", tokens=3, status=500),
    Fault(kind="stall_after", tokens=3),
    Fault(kind="no_usage"),
)
THROTTLED = Fault(kind="status", status=429, retry_after="0.05")
"""Rarer than the others, because it closes a node for everybody until the next look at it."""
TROUBLED = 0.5
"""Share of the nodes' answers that go wrong."""


class EchoingServer(FaultServer):
    """A node whose refusals repeat what they refuse, as validators like to do."""

    def _parts(self, exchange: Exchange) -> Answer:
        said = exchange.body.decode(errors="replace")
        found = next((word for word in (RESTRICTED_CANARY, CONTROL_CANARY) if word in said), "nothing")
        message = f"cannot work on {found} today"
        return replace(
            super()._parts(exchange), error_body={"error": {"message": message, "type": "BadRequestError"}}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The running parts."""

    gateway: RunningGateway
    nodes: Mapping[str, FaultServer]
    cloud: StandIns

    @property
    def folder(self) -> Path:
        return self.gateway.stdout.parent

    def arrived(self) -> tuple[int, int]:
        """How often the restricted and the control canary reached the cloud's endpoint."""
        watched = self.cloud.seen(self.cloud.bedrock_url)["watched"]
        return watched[RESTRICTED_CANARY], watched[CONTROL_CANARY]

    def client(self) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=AT_ONCE)
        return httpx2.AsyncClient(
            base_url=self.gateway.url,
            headers=self.gateway.headers,
            limits=limits,
            timeout=BOUND_S,
            trust_env=False,
        )

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"{self.gateway.url}{path}", headers=self.gateway.headers)

    def health(self) -> dict[str, str]:
        """The health of every target, as the gateway sees it."""
        return {one["name"]: one["health"] for one in self.get("/admin/targets").json()["targets"]}

    def trouble(self, count: int, seed: int) -> None:
        """Queue `count` answers at every node, most of them bad; what is left of earlier queues is played first."""
        for number, node in enumerate(self.nodes.values()):
            node.next(*_troubles(random.Random(seed + number), count))


def _troubles(draw: random.Random, count: int) -> Iterator[Fault]:
    for _ in range(count):
        if draw.random() < 0.02:
            yield THROTTLED
        else:
            yield draw.choice(TROUBLES) if draw.random() < TROUBLED else Fault()


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    with ExitStack() as stack:
        nodes = {name: stack.enter_context(EchoingServer()) for name in NODES}
        cloud = start_standins(mec_nodes=0, pace=0.0)
        stack.callback(cloud.stop)
        cloud.script(cloud.bedrock_url, {"watch": [RESTRICTED_CANARY, CONTROL_CANARY]})
        keys = {"AWS_ACCESS_KEY_ID": cloud.access_key_id, "AWS_SECRET_ACCESS_KEY": cloud.secret_access_key}
        file = write_settings(
            folder, _targets(nodes, cloud), POLICY, aliases={f'"{k}"': v for k, v in ALIASES.items()}
        )
        gateway = stack.enter_context(running_gateway("--config", str(file), folder=folder, environment=keys))
        yield House(gateway=gateway, nodes=nodes, cloud=cloud)


def _targets(nodes: Mapping[str, FaultServer], cloud: StandIns) -> list[dict[str, Any]]:
    bedrock = {
        "kind": "bedrock",
        "endpoint_url": cloud.bedrock_url,
        "region": "us-east-1",
        "max_privacy": "restricted",
    }
    near = {
        "kind": "openai",
        "model": "test-model",
        "region": "eu-central-1",
        "continues": True,
        "tools": True,
    }
    return [
        {"name": "device/intent-v1", "kind": "onnx", "model": "intent-v1"},
        *({"name": name, "base_url": node.base_url, "json_output": True, "timeout_s": 2.0, **near} for name, node in nodes.items()),
        {"name": CLOUD, "model": "amazon.nova-pro-v1:0", **bedrock},
        {"name": CLOUD_EMBED, "model": "amazon.titan-embed-text-v2:0", **bedrock},
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of a request: the status, the tier and target named in the headers, the cache's word, the page."""

    asked: Asked
    status: int
    tier: str | None
    cache: str | None
    request_id: str
    page: str


async def ask_all(house: House, asked: Iterable[Asked]) -> list[Answered]:
    """All requests, AT_ONCE at a time. Raises when one hangs or breaks off."""
    turn = asyncio.Semaphore(AT_ONCE)
    async with house.client() as client:

        async def one(request: Asked) -> Answered:
            async with turn:
                reply = await client.post(request.path, json=request.body)
            return Answered(
                asked=request,
                status=reply.status_code,
                tier=reply.headers.get("x-tierwise-tier"),
                cache=reply.headers.get("x-tierwise-cache"),
                request_id=reply.headers["x-tierwise-request-id"],
                page=reply.text,
            )

        return list(await asyncio.gather(*map(one, asked)))


def until(holds: Callable[[], object]) -> None:
    """Wait for what happens beside the requests; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
