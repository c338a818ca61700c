"""Devices at the function behind API Gateway: signed bundles, and reports that any two machines count once together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.protocol.bundle import read_bundle
from edge_runtime.protocol.envelope import BUNDLE_TYPE, Trust, new_key
from gateway.composition.plan import Plan
from gateway.composition.stores import Stores
from gateway.hosts.aws_lambda import Host
from router_core.adapters.memory.state import MemoryStateStore
from router_core.adapters.system_clock import SystemClock
from router_core.deployment import STAGE
from tests.parity.cases import NEAR, TARGETS, Case
from tests.parity.site import Clock, House, SharedParts, environment, proxy_event

PRIVATE, PUBLIC = new_key()
REPORT = {"id": "rep_12345678", "target": "device/a", "status": "completed", "latency_ms": 3.0}
BUNDLE = Case(name="bundle", method="GET", path="/device/bundle", body={})


class Remembering(SharedParts):
    """Parts of a function with the environment's state table."""

    def __init__(self, environ: dict[str, str], house: House, table: MemoryStateStore) -> None:
        super().__init__(environ, house)
        self._table = table

    async def stores(self, plan: Plan) -> Stores:
        return replace(await super().stores(plan), shared=self._table)


class Machines:
    """New machines of the api function, over one table."""

    def __init__(self, folder: Path) -> None:
        signing = {"BUNDLE_KEY": PRIVATE, "TIERWISE_DEVICE__SIGNING_KEY": "env:BUNDLE_KEY"}
        environ = environment(dict.fromkeys(TARGETS, "http://127.0.0.1:9"), folder)
        self._environ = {**environ, **signing, STAGE: "api"}
        self._table = MemoryStateStore(SystemClock())
        self._house = House(self._environ)
        self._hosts: list[Host] = []

    def another(self, *, remembering: bool = True) -> Host:
        parts = Remembering(self._environ, self._house, self._table)
        host = Host(self._environ, parts if remembering else SharedParts(self._environ, self._house))
        self._hosts.append(host)
        return host

    def close(self) -> None:
        for host in self._hosts:
            host.close()
        self._house.close()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    made = Machines(tmp_path)
    yield made
    made.close()


def test_a_bundle_comes_signed_and_for_the_callers_tiers(machines: Machines) -> None:
    host = machines.another()
    told = host(proxy_event(BUNDLE), Clock())
    assert told["statusCode"] == 200
    bundle = read_bundle(Trust([PUBLIC]).open(told["body"].encode(), BUNDLE_TYPE))
    assert {target.spec.name for target in bundle.state.targets} == set(TARGETS)
    again = host(
        proxy_event(replace(BUNDLE, headers={"if-none-match": told["multiValueHeaders"]["etag"][0]})), Clock()
    )
    assert (again["statusCode"], again["body"]) == (304, "")
    near = host(proxy_event(replace(BUNDLE, key=NEAR)), Clock())
    nearby = read_bundle(Trust([PUBLIC]).open(near["body"].encode(), BUNDLE_TYPE))
    assert {target.spec.tier for target in nearby.state.targets} == {"device", "mec"}
    assert host(proxy_event(replace(BUNDLE, key=None)), Clock())["statusCode"] == 401


def test_two_machines_count_a_report_once(machines: Machines) -> None:
    target = next(name for name in TARGETS if name.startswith("device/"))
    case = Case(name="told", path="/device/outcomes", body={"reports": [{**REPORT, "target": target}]})
    first, second = (json.loads(machines.another()(proxy_event(case), Clock())["body"]) for _ in range(2))
    assert first == {"taken": 1, "repeated": 0, "unknown_targets": 0}
    assert second == {"taken": 0, "repeated": 1, "unknown_targets": 0}


def test_without_a_shared_table_no_device_is_served(machines: Machines) -> None:
    assert machines.another(remembering=False)(proxy_event(BUNDLE), Clock())["statusCode"] == 404
