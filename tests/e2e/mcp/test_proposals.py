"""The way of a proposal through a running gateway: over HTTP, by the command, with real evidence of real requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.client import Client
from gateway.settings.secrets import Secret
from router_core.adapters.events.reader import read
from router_core.policy.parse import parse
from tests.running import RunningGateway, running_gateway

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("proposals")
    (folder / "tierwise.toml").write_text('[policy]\nfile = "policy.json"\n')
    (folder / "policy.json").write_text('{"proposals": {"mode": "propose"}, "exploration": {"rate": 0.01}}')
    with running_gateway("--sandbox", folder=folder) as running:
        yield running


def command(gateway: RunningGateway, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "policy", "proposals", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TIERWISE_URL": gateway.url, "TIERWISE_KEY": gateway.key},
    )
    return done.returncode, done.stdout + done.stderr


def post(gateway: RunningGateway, path: str, body: Any) -> Any:
    return Client(url=gateway.url, key=Secret(gateway.key, "test")).call("POST", path, body)


def proposed(gateway: RunningGateway, key: str, value: float) -> Any:
    body = {"changes": [{"key": key, "value": value}], "why": "tried in a test"}
    return post(gateway, "/admin/policy/proposals", body)


def test_from_proposal_to_document(gateway: RunningGateway, tmp_path: Path) -> None:
    for _ in range(5):
        post(gateway, "/inference", {"input": "turn off the kitchen lights"})
    assert command(gateway, "list") == (0, "no proposals\n")
    found = proposed(gateway, "objectives.balanced.cost", 0.25)
    assert found["evidence"]["overall"]["decisions"] >= 0 and found["evidence"]["constraint_violations"] == 0
    assert found["verdict"] == "not enough evidence"
    status, shown = command(gateway, "list")
    assert status == 0 and found["id"] in shown and "0.2 -> 0.25" in shown
    file = tmp_path / "new.json"
    status, told = command(gateway, "accept", found["id"], "--why", "worth it", "--out", str(file), "--json")
    assert status == 0, told
    assert json.loads(told)["state"] == "accepted" and json.loads(told)["decided_by"] == "local"
    new = parse(file.read_bytes())
    assert new.objectives["balanced"].cost == 0.25 and new.version == 2 and new.exploration.rate == 0.01
    status, told = command(gateway, "accept", found["id"], "--why", "again")
    assert status == 1 and "accepted already" in told


def test_rejecting_and_what_is_wrong(gateway: RunningGateway) -> None:
    found = proposed(gateway, "cache.ttl_s", 290.0)
    status, told = command(gateway, "reject", found["id"], "--why", "no")
    assert status == 0 and "rejected" in told
    status, told = command(gateway, "show", found["id"])
    assert status == 0 and "decided by local: no" in told
    assert command(gateway, "show", "../targets")[0] == 1
    status, told = command(gateway, "show", "prop_" + "0" * 16)
    assert status == 1 and "404" in told
    assert command(gateway, "accept", found["id"])[0] == 2, "a reason is needed"


def test_every_proposal_leaves_its_records(gateway: RunningGateway) -> None:
    found = proposed(gateway, "thresholds.stickiness", 0.04)
    command(gateway, "reject", found["id"], "--why", "for the record")
    folder = gateway.stdout.parent / "var" / "events"
    states: list[str] = []
    for _ in range(100):
        states = [record["state"] for record in read(folder) if record.get("id") == found["id"]]
        if len(states) == 2:
            break
        time.sleep(0.1)  # the log is written behind the request
    assert states == ["waiting", "rejected"]
