"""A function's request is one trace down to the tier when the runtime sampled it, and nothing otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.hosts.traced import DAEMON, HEADER
from tests.parity.cases import TARGETS, Case
from tests.parity.site import House, environment
from tests.unit.hosts.house import PINNED, asked
from tests.upstream.server import FaultServer
from tests.xray_daemon import Daemon, running_daemon

ROOT = f"1-6b01b0db-{'a1' * 12}"
HELLO = Case(name="hello", body={"input": "hello", **PINNED})


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running_daemon() as running:
        yield running


@pytest.fixture
def upstream() -> Iterator[FaultServer]:
    with FaultServer(length=6) as server:
        yield server


def _house(folder: Path, upstream: FaultServer, daemon: Daemon, sampled: int) -> House:
    variables = environment(dict.fromkeys(TARGETS, upstream.url), folder)
    header = f"Root={ROOT};Parent={'b2' * 8};Sampled={sampled}"
    return House({**variables, DAEMON: daemon.address, HEADER: header})


def test_a_sampled_request_is_one_trace_down_to_the_tier(
    tmp_path: Path, upstream: FaultServer, daemon: Daemon
) -> None:
    house = _house(tmp_path, upstream, daemon, sampled=1)
    try:
        assert asked(house, HELLO)[0] == 200
    finally:
        house.close()
    spans = {span["name"]: span for span in daemon.documents(5)}
    root = spans["POST /inference"]
    assert (root["trace_id"], root["parent_id"]) == (ROOT, "b2" * 8)
    assert {"tierwise.context", "tierwise.resource", "tierwise.decision"} < spans.keys()
    (attempt,) = (span for name, span in spans.items() if name.startswith("chat "))
    assert attempt["parent_id"] == root["id"]
    assert f"Parent={attempt['id']}" in upstream.requests[-1].headers["x-amzn-trace-id"]


def test_a_request_that_is_not_sampled_leaves_no_trace(
    tmp_path: Path, upstream: FaultServer, daemon: Daemon
) -> None:
    house = _house(tmp_path, upstream, daemon, sampled=0)
    try:
        assert asked(house, HELLO)[0] == 200
    finally:
        house.close()
    assert daemon.silent()
    assert "x-amzn-trace-id" not in upstream.requests[-1].headers
