"""An operator asks a running gateway what its own log says of a policy, and has a canary promoted: the same evidence and
the same refusal as on the command line.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from benchmarks.simulator.policies import STABLE, WORSE
from benchmarks.simulator.world import TRUTH, Log, contexts, table_of
from router_core.deployment import policy_parameter
from router_core.policy.parse import to_document
from tests.localmoto import client, environment, running_moto
from tests.running import RunningGateway, running_gateway
from tests.unit.events.records import writer

PARAMETER = policy_parameter("dev")
WORST = to_document(WORSE["much worse"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running gateway whose log and Parameter Store hold a stable policy, and a worse one as canary."""

    gateway: RunningGateway
    variables: dict[str, str]
    folder: Path

    def post(self, path: str, body: Any) -> httpx2.Response:
        with httpx2.Client(headers=self.gateway.headers, timeout=120.0, trust_env=False) as asking:
            return asking.post(f"{self.gateway.url}{path}", json=body)


def command(folder: Path, variables: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "policy", *arguments, "--json"],
        env=variables, cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("admin-policy")
    log = Log(truth=TRUTH, chance=random.Random(1), clock_s=time.time() - 9_000.0)
    records = list(log.preface(STABLE["explore"]))
    for context in islice(contexts(1), 4_000):
        records += log.records(context, table_of(STABLE["explore"]))
    writer(folder / "var" / "events").write(records)
    with running_moto(folder) as endpoint:
        aws = environment(endpoint)
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("TIERWISE_", "AWS_"))}
        variables = {**kept, **aws}
        for policy in (STABLE["explore"], WORSE["much worse"]):
            (folder / f"{policy.name}.json").write_text(json.dumps(to_document(policy)))
        ssm = client(endpoint, "ssm")
        stable = (folder / "stable.json").read_text()
        ssm.put_parameter(Name=PARAMETER, Value=stable, Type="String", Tier="Advanced")
        ssm.close()
        share = ("--share", "0.1", "--why", "a test", "--yes")
        command(folder, variables, "push", "frugal.json", "--env", "dev", *share)
        (folder / "tierwise.toml").write_text(f'[policy]\nssm = "{PARAMETER}"\n')
        with running_gateway("--sandbox", folder=folder, environment=aws) as running:
            yield Site(gateway=running, variables=variables, folder=folder)


def test_the_report_is_that_of_the_command(site: Site) -> None:
    answer = site.post("/admin/policy/simulate", {"policy": WORST, "since": "1d"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["verdict"], told["old"], told["constraint_violations"]) == ("worse", "stable@1", 0)
    assert {one["group"] for one in told["groups"]} >= {"class simple", "tenant blue"}
    files = ("--policy", "frugal.json", "--against", "stable.json", "--since", "1d")
    assert command(site.folder, site.variables, "simulate", *files) == told


def test_requests_are_answered_meanwhile_and_a_second_question_is_refused(site: Site) -> None:
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(site.post, "/admin/policy/simulate", {"policy": WORST})
        statuses = set[int]()
        while not first.done():
            assert site.post("/explain", {"input": "turn off the lights"}).status_code == 200
            statuses.add(site.post("/admin/policy/simulate", {"policy": WORST}).status_code)
            if 409 in statuses:
                break
    assert 409 in statuses
    assert first.result().status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"policy": {"objectives": {"balanced": {"quality": -1}}}},
        {"policy": {"unknown": 1}},
        {"policy": {}, "since": "1y"},
        {"policy": {}, "since": "7d; rm -rf"},
        {"policy": {}, "tolerance": 2},
        {"policy": {}, "events": "/etc"},
    ],
)
def test_what_is_no_question_is_refused_by_name(site: Site, body: dict[str, Any]) -> None:
    assert site.post("/admin/policy/simulate", body).status_code == 400


def test_a_worse_canary_is_not_promoted_unless_forced_with_a_reason(site: Site) -> None:
    refused = site.post("/admin/policy/promote", {"why": "it looks cheaper"})
    assert refused.status_code == 409 and "worse" in refused.json()["detail"]
    assert site.post("/admin/policy/promote", {"force": True}).status_code == 400
    forced = site.post("/admin/policy/promote", {"why": "the budget is gone", "force": True})
    assert forced.status_code == 200, forced.text
    told = forced.json()
    assert told["why"] == "forced (worse): the budget is gone" and told["by"]
    shown = command(site.folder, site.variables, "show", "--env", "dev")
    assert "frugal" in json.dumps(shown["in_force"])
