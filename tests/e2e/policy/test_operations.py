"""An operator works on the policy of a running gateway: pushes, promotes, rolls back, and breaks it, with the real command
line against a local AWS, while requests are answered. Nothing is restarted.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from router_core.adapters.events.reader import find
from router_core.deployment import policy_parameter, settings_prefix
from router_core.routing.replay import replay, same
from tests.localmoto import client, environment, running_moto
from tests.running import RunningGateway, running_gateway

POLL_S = 0.2
SEEN_WITHIN_S = 15.0
SHARE = 0.3
SESSIONS = 400
PARAMETER = policy_parameter("dev")
DEVICE = [{"name": "device/intent-v1", "kind": "onnx", "model": "intent-v1"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running gateway and the Parameter Store behind it."""

    gateway: RunningGateway
    ssm: Any
    variables: dict[str, str]
    folder: Path

    def command(self, *arguments: str) -> dict[str, Any]:
        """`tierwise policy ... --json` as an operator runs it."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "policy", *arguments, "--env", "dev", "--json"],
            env=self.variables, cwd=self.folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def policy(self, name: str, version: int) -> str:
        """A policy file."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps({"name": name, "version": version}))
        return str(file)

    def ask(self, asking: httpx2.Client, session: str) -> str:
        """The policy that one session gets, from the header of its answer."""
        body = {"input": "turn off the kitchen lights", "session_id": session}
        answer = asking.post("/explain", json=body)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-tierwise-policy"]

    def client(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.gateway.url, headers=self.gateway.headers, timeout=20.0, trust_env=False
        )

    def metric(self, name: str) -> float:
        with self.client() as asking:
            page = asking.get("/metrics").text
        return float(next(line.split()[-1] for line in page.splitlines() if line.startswith(f"{name} ")))

    def split(self) -> Counter[str]:
        """Sessions by policy."""
        with self.client() as asking:
            return Counter(self.ask(asking, f"session-{i}") for i in range(SESSIONS))

    def in_force(self) -> dict[str, Any]:
        with self.client() as asking:
            told: dict[str, Any] = asking.get("/admin/policy").json()
        return told

    def await_policy(self, stable: str, canary: str | None = None) -> None:
        """Until the gateway says so; an operator is promised to see it within 30 s."""

        def there() -> bool:
            told = self.in_force()
            return (told["label"], (told["canary"] or {}).get("label")) == (stable, canary)

        wait_until(there, f"{stable} and canary {canary}")


def wait_until(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SEEN_WITHIN_S
    while not there():
        assert time.monotonic() < deadline, f"not within {SEEN_WITHIN_S:g} s: {what}"
        time.sleep(POLL_S / 4)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("policy")
    with running_moto(folder) as endpoint:
        ssm = client(endpoint, "ssm")
        ssm.put_parameter(Name=PARAMETER, Value='{"name": "first"}', Type="String", Tier="Advanced")
        prefix = settings_prefix("dev")
        for name, value in {
            "policy/ssm": PARAMETER, "policy/poll_s": str(POLL_S), "targets": json.dumps(DEVICE),
        }.items():  # fmt: skip
            ssm.put_parameter(Name=f"{prefix}/{name}", Value=value, Type="SecureString")
        aws = {**environment(endpoint), "TIERWISE_SETTINGS_SSM": prefix}
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("TIERWISE_", "AWS_"))}
        with running_gateway(folder=folder, environment=aws) as gateway:
            yield Site(gateway=gateway, ssm=ssm, variables={**kept, **aws}, folder=folder)
        ssm.close()


def test_an_edit_in_the_console_is_seen(site: Site) -> None:
    """No label: the newest version is in force. The gateway read all its settings from Parameter Store, too."""
    assert site.in_force()["label"] == "first@1"
    site.ssm.put_parameter(Name=PARAMETER, Value='{"name": "edited"}', Overwrite=True)
    site.await_policy("edited@1")
    assert set(site.split()) == {"edited@1"}


def test_a_canary_gets_its_share_of_the_sessions_until_it_is_promoted_and_rolled_back(site: Site) -> None:
    change = site.command("push", site.policy("next", 2), "--share", str(SHARE), "--why", "cheaper", "--yes")
    assert (change["action"], change["before"], change["why"]) == ("push", "edited@1 (version 2)", "cheaper")
    assert change["by"].startswith("arn:aws:")
    site.await_policy("edited@1", "next@2")
    split = site.split()
    sigma = math.sqrt(SESSIONS * SHARE * (1.0 - SHARE))
    assert abs(split["next@2"] - SESSIONS * SHARE) <= 3.0 * sigma, split
    assert split["next@2"] + split["edited@1"] == SESSIONS
    assert site.split() == split

    site.command("promote", "--why", "it held", "--force", "--yes")
    site.await_policy("next@2")
    assert set(site.split()) == {"next@2"}

    site.command("rollback", "--why", "it did not", "--by", "ann", "--yes")
    site.await_policy("edited@1")
    assert set(site.split()) == {"edited@1"}
    shown = site.command("show")
    assert shown["rule"] == "label stable"
    assert [one["action"] for one in shown["changes"]] == ["rollback", "promote", "push"]
    assert shown["changes"][0]["by"] == "ann"


def test_decisions_of_both_policies_replay_from_the_event_log(site: Site) -> None:
    site.command("push", site.policy("third", 3), "--share", "0.5", "--why", "try", "--yes")
    site.await_policy("edited@1", "third@3")
    asked: dict[str, str] = {}
    with site.client() as asking:
        for i in range(20):
            body = {"input": "turn off the kitchen lights", "session_id": f"session-{i}"}
            answer = asking.post("/inference", json=body)
            assert answer.status_code == 200, answer.text
            asked[answer.headers["x-tierwise-request-id"]] = answer.headers["x-tierwise-policy"]
    assert set(asked.values()) == {"edited@1", "third@3"}
    site.command("rollback", "--why", "seen", "--yes")
    site.await_policy("edited@1")
    for request_id, label in asked.items():
        wait_until(lambda wanted=request_id: found(site, wanted), "the records")  # type: ignore[misc]  # bound at once
        records = find(site.folder / "var" / "events", request_id)
        assert records.decision is not None
        assert records.state is not None
        assert records.policy is not None
        assert records.decision["policy"] == label
        assert same(records.decision, replay(records.decision, records.state, records.policy))


def found(site: Site, request_id: str) -> bool:
    return find(site.folder / "var" / "events", request_id).decision is not None


def test_a_broken_policy_is_refused_while_traffic_flows(site: Site) -> None:
    """Straight into Parameter Store, past every check of ours: the old policy stays, no request fails, the metric counts."""
    before = site.metric("tierwise_policy_refused_total")
    done, seen = threading.Event(), Counter[str]()

    def traffic() -> None:
        with site.client() as asking:
            while not done.is_set():
                seen[site.ask(asking, f"session-{seen.total()}")] += 1

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        for text in ('{"nonsense": 1}', "{", "x" * 8_000):
            counted = site.metric("tierwise_policy_refused_total")
            written = site.ssm.put_parameter(Name=PARAMETER, Value=text, Overwrite=True)
            site.ssm.label_parameter_version(
                Name=PARAMETER, ParameterVersion=written["Version"], Labels=["stable"]
            )
            wait_until(
                lambda before=counted: site.metric("tierwise_policy_refused_total") > before,  # type: ignore[misc]  # bound at once
                "the metric",
            )
    finally:
        done.set()
        thread.join(30.0)
    assert not thread.is_alive()
    assert set(seen) == {"edited@1"}
    assert seen.total() > 20
    assert site.metric("tierwise_policy_refused_total") >= before + 3
    assert "edited@1 stays in force" in site.gateway.stderr.read_text()
    site.command("rollback", "--to", "2", "--why", "repair", "--yes")
    wait_until(lambda: "can be used again" in site.gateway.stderr.read_text(), "the repair")


def test_a_gateway_that_starts_without_parameter_store_goes_on_with_its_copy(
    site: Site, tmp_path: Path
) -> None:
    copy = site.folder / "var" / "policy.json"
    assert json.loads(copy.read_text())["stable"]["name"] == "edited"
    away = {**environment("http://127.0.0.1:9"), "TIERWISE_POLICY__SSM": PARAMETER}
    away |= {"TIERWISE_TARGETS": json.dumps(DEVICE), "TIERWISE_POLICY__COPY": str(copy)}
    with running_gateway(folder=tmp_path, environment=away) as gateway:
        answer = httpx2.get(f"{gateway.url}/admin/policy", headers=gateway.headers, trust_env=False)
        assert answer.json()["label"] == "edited@1"
        assert "cannot be reached" in gateway.stderr.read_text()
    with (
        pytest.raises(AssertionError, match="no copy of an earlier policy"),
        running_gateway(folder=tmp_path, environment={**away, "TIERWISE_POLICY__COPY": "absent.json"}),
    ):
        pass
