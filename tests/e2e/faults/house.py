"""One gateway whose targets are the rows of the fault matrix, and all cases asked of it at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from router_core.adapters.events.reader import Damage, read
from tests.e2e.faults.asking import Told, ask, body_of
from tests.e2e.faults.cases import CASES, LENGTH, REFUSED, ROWS, Case, Row, Wire
from tests.e2e.faults.settings_file import CREDENTIALS, write_settings
from tests.running import RunningGateway, running_gateway
from tests.upstream.server import Fault, FaultServer, refusing_url

PRICE_IN, PRICE_OUT = 3.0, 7.0
"""USD per million tokens at every target."""
HEALTHY = "mec/healthy"
ENDLESS: Mapping[str, Wire] = {"mec/endless": "openai", "cloud/endless": "bedrock"}
"""Targets whose streams outlast any patience."""
RECOVERING: Mapping[str, Wire] = {"mec/recovering": "openai", "cloud/recovering": "bedrock"}
"""Targets that play what a test queues."""
AT_ONCE = 32
PATIENCE_S = 10.0
POLICY: Mapping[str, Any] = {
    "name": "faults",
    "limits": {"deadline_ms": 4_000, "stream_idle_ms": 800},
    "retry": {"attempts_per_target": 2, "base_ms": 1, "cap_ms": 5},
    # One case must not close the door to the next.
    "breaker": {"failures": 1_000_000, "min_samples": 1_000, "error_rate": 1.0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A running gateway and the upstreams behind its targets, by target name."""

    gateway: RunningGateway
    upstreams: Mapping[str, FaultServer]

    @property
    def events(self) -> Path:
        return self.gateway.stdout.parent / "var" / "events"

    def records(self, kind: str) -> dict[str, dict[str, Any]]:
        """Good records of one kind by request; the log must hold no damaged line."""
        damage = Damage()
        found = {
            record["request_id"]: record for record in read(self.events, damage) if record["kind"] == kind
        }
        assert damage.frames == 0
        return found

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Every sample of /metrics by its name and its label values, in the order of the label names."""
        page = httpx2.get(f"{self.gateway.url}/metrics", headers=self.gateway.headers).text
        return {
            (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def wait_open(self, *names: str) -> None:
        """Until the gateway would choose these targets: what it knows of them is refreshed beside the requests."""

        def are_open() -> bool:
            page = httpx2.get(f"{self.gateway.url}/admin/targets", headers=self.gateway.headers).json()
            shut = {one["name"] for one in page["targets"] if one["throttled"] or one["health"] == "down"}
            return shut.isdisjoint(names)

        until(are_open)

    def client(self) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=AT_ONCE * 2)
        return httpx2.AsyncClient(
            base_url=self.gateway.url, headers=self.gateway.headers, limits=limits, trust_env=False
        )


def target(
    name: str, url: str, wire: Wire, *, quality: float = 0.05, timeout_s: float = 5.0
) -> dict[str, Any]:
    """A target's settings. A high `quality` makes it the first to step in."""
    own: dict[str, Any] = {
        "openai": {
            "kind": "openai",
            "base_url": f"{url}/v1",
            "model": "test-model",
            "region": "eu-central-1",
        },
        "bedrock": {
            "kind": "bedrock",
            "endpoint_url": url,
            "model": "us.amazon.nova-micro-v1:0",
            "region": "us-east-1",
        },
    }[wire]
    common = {
        "price_in": PRICE_IN,
        "price_out": PRICE_OUT,
        "tools": True,
        "json_output": True,
        "continues": True,
    }
    return {
        "name": name,
        **own,
        **common,
        "timeout_s": timeout_s,
        "quality": {"chat": quality},
        "capability": 1.0,
    }


@contextmanager
def open_house(folder: Path, rows: tuple[Row, ...] = ROWS) -> Iterator[House]:
    """A gateway with one failing target per row and protocol (per case where the row stands alone) and a healthy one."""
    cases = [case for case in CASES if case.row in rows]
    with ExitStack() as stack:
        nowhere = stack.enter_context(refusing_url())
        servers = {
            row.name: stack.enter_context(FaultServer(length=LENGTH)) for row in rows if row is not REFUSED
        }
        for row in rows:
            if row is not REFUSED:
                servers[row.name].default = row.fault
        healthy = stack.enter_context(FaultServer(length=LENGTH))
        targets = {
            case.target: target(
                case.target, _url(servers, case, nowhere), case.wire, timeout_s=case.row.timeout_s
            )
            for case in cases
        }
        targets[HEALTHY] = target(HEALTHY, healthy.url, "openai", quality=0.99)
        servers |= {name: stack.enter_context(FaultServer(length=LENGTH)) for name in (*ENDLESS, *RECOVERING)}
        for name, wire in {**ENDLESS, **RECOVERING}.items():
            targets[name] = target(name, servers[name].url, wire)
        for name in ENDLESS:
            servers[name].default = Fault(length=10_000, token_delay_s=0.02)
        file = write_settings(folder, targets.values(), POLICY)
        gateway = stack.enter_context(
            running_gateway("--config", str(file), folder=folder, environment=CREDENTIALS)
        )
        upstreams = {case.target: servers[case.row.name] for case in cases if case.row is not REFUSED}
        house = House(gateway=gateway, upstreams={**servers, **upstreams, HEALTHY: healthy})
        house.wait_open(*(set(targets) - {"mec/refused"}))
        yield house


def _url(servers: Mapping[str, FaultServer], case: Case, nowhere: str) -> str:
    return nowhere if case.row is REFUSED else servers[case.row.name].url


async def play(house: House, cases: tuple[Case, ...] = CASES) -> dict[str, Told]:
    """Every case, many at once; what each client was told, by the case's id."""
    turn = asyncio.Semaphore(AT_ONCE)
    told: dict[str, Told] = {}
    async with house.client() as client:

        async def one(case: Case) -> None:
            async with turn:
                body = body_of(case.form, case.target, helped=case.helped, tools=case.row.tools)
                told[case.id] = await ask(client, case.form, body)

        await asyncio.gather(*(one(case) for case in cases if not case.row.heavy))
        for case in cases:
            if case.row.heavy:
                await one(case)
    return told


def until(holds: Callable[[], object]) -> None:
    """Wait for something that happens beside the requests; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
