"""The policy in Parameter Store steers the running functions: edits, refusals, a canary for a share, promote, rollback.

The tests build on each other in the order of the file, as an operator's day does.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from router_core.deployment import policy_parameter, resource_name, rollout_parameter
from tests.aws.conftest import Client, admitted, until
from tests.localaws import address
from tests.localaws.site import Site

SEEN_S = 30.0
SHARE = 0.3
Tool = Callable[..., dict[str, Any]]


def document(name: str, **parts: Any) -> str:
    return json.dumps({"schema": "tierwise.policy/1", "name": name, **parts})


@pytest.fixture(scope="module")
def tool(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """`tool("push", text, ...)` runs `tierwise policy` against the deployment as an operator would."""
    folder = tmp_path_factory.mktemp("policies")

    def run(action: str, *arguments: str, text: str | None = None, status: int = 0) -> dict[str, Any]:
        files = []
        if text is not None:
            file = Path(folder / "policy.json")
            file.write_text(text)
            files = [str(file)]
        command = [
            sys.executable,
            "-m",
            "gateway",
            "policy",
            action,
            *files,
            "--env",
            "dev",
            "--json",
            *arguments,
        ]
        told = os.environ | address.environment(site.aws_url)
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


def write(site: Site, text: str) -> None:
    """What a person does in the console: a new version of the parameter, without labels."""
    site.client("ssm").put_parameter(Name=policy_parameter("dev"), Value=text, Overwrite=True)


def policy_of(client: Client, session: str | None = None) -> str:
    """The name of the policy that decided a request of this session."""
    body = {"input": "set a timer for 5 minutes", "session_id": session}
    reply = admitted(lambda: client.post("/explain", body))
    assert reply.status == 200, reply.body
    return str(reply.json["routing"]["policy"]).split("@")[0]


def test_an_edit_is_seen_within_30_seconds(site: Site, phone: Client) -> None:
    assert policy_of(phone) == "default"
    write(site, document("edited"))
    written = time.monotonic()
    until(lambda: policy_of(phone), lambda name: name == "edited", SEEN_S)
    assert time.monotonic() - written <= SEEN_S


def test_an_edit_changes_where_requests_go(site: Site, phone: Client) -> None:
    """Not only the name: a tier that the policy closes gets nothing any more."""
    closed = {"tiers": {"device": {"enabled": False}}}
    reply = phone.infer("turn off the kitchen lights", preferences={"tiers": ["device"]})
    assert reply.status == 200
    write(site, document("closed", **closed))
    until(lambda: policy_of(phone, "closing"), lambda name: name == "closed", SEEN_S)
    reply = phone.infer("turn off the kitchen lights", preferences={"tiers": ["device"]})
    assert reply.status == 422
    write(site, document("edited"))
    until(lambda: policy_of(phone), lambda name: name == "edited", SEEN_S)


def test_a_broken_policy_is_refused_while_traffic_flows(site: Site, phone: Client) -> None:
    write(site, '{"schema": "tierwise.policy/1", "objectives": {"balanced": {"quality": "very"}}}')
    refused = until(
        lambda: (policy_of(phone), _refusals(site)), lambda seen: seen[0] != "edited" or seen[1] > 0, SEEN_S
    )
    assert refused[0] == "edited", "the last good policy stays"
    assert phone.infer("set a timer for 5 minutes").status == 200
    write(site, document("edited"))


def _refusals(site: Site) -> int:
    group = f"/aws/lambda/{resource_name('dev', 'api')}"
    found = site.client("logs").filter_log_events(logGroupName=group, filterPattern='"policy is refused"')
    return len(found["events"])


def test_a_canary_gets_its_share_of_the_sessions(
    site: Site, phone: Client, tool: Tool, at_size: Callable[[int, int], int]
) -> None:
    change = tool(
        "push", "--share", str(SHARE), "--why", "a trial", "--by", "ann", "--yes", text=document("canary")
    )
    assert change["action"] == "push"
    sessions = at_size(150, 2_000)
    until(lambda: policy_of(phone, _session_of_the_canary(phone)), lambda name: name == "canary", SEEN_S)
    with ThreadPoolExecutor(4) as callers:
        names = list(callers.map(lambda number: policy_of(phone, f"session-{number}"), range(sessions)))
        again = list(callers.map(lambda number: policy_of(phone, f"session-{number}"), range(30)))
    assert set(names) == {"edited", "canary"}
    sigma = math.sqrt(SHARE * (1 - SHARE) / sessions)
    assert abs(names.count("canary") / sessions - SHARE) <= 3 * sigma
    assert again == names[:30], "a session keeps its policy"


def _session_of_the_canary(phone: Client) -> str:
    """A session whose number is below the share, computed as every process does."""
    from router_core.policy.rollout import place

    return next(f"s{n}" for n in range(100) if place("acme", f"s{n}", None, "") < SHARE / 2)


def test_promote_gives_everybody_the_canary(site: Site, phone: Client, tool: Tool) -> None:
    told = tool("promote", "--why", "it is better", "--by", "ann", "--yes", status=1)
    assert "not enough evidence" in told["error"]["message"], "both policies do the same"
    change = tool("promote", "--why", "it is better", "--by", "ann", "--yes", "--force")
    why = "forced (not enough evidence): it is better"
    assert (change["action"], change["by"], change["why"]) == ("promote", "ann", why)
    sessions = [f"session-{number}" for number in range(12)]
    until(lambda: {policy_of(phone, one) for one in sessions}, lambda names: names == {"canary"}, SEEN_S)


def test_rollback_gives_everybody_the_policy_before(site: Site, phone: Client, tool: Tool) -> None:
    change = tool("rollback", "--why", "it is not", "--by", "bob", "--yes")
    assert change["action"] == "rollback"
    sessions = [f"session-{number}" for number in range(12)]
    until(lambda: {policy_of(phone, one) for one in sessions}, lambda names: names == {"edited"}, SEEN_S)
    history = site.client("ssm").get_parameter_history(Name=rollout_parameter("dev"))["Parameters"]
    words = [json.loads(one["Value"]).get("change") for one in history]
    assert [(one["action"], one["by"]) for one in words if one] == [
        ("push", "ann"),
        ("promote", "ann"),
        ("rollback", "bob"),
    ]


def test_a_canary_that_does_harm_is_ended_by_the_streams_consumer(
    site: Site, phone: Client, tool: Tool
) -> None:
    """Served by functions alone: nobody but the consumer sees enough requests to judge it."""
    before = policy_of(phone)
    dear = {"tiers": {tier: {"enabled": False} for tier in ("device", "mec")}}
    why, by = ("--why", "a trial"), ("--by", "ann")
    tool("push", "--share", "0.5", *why, *by, "--yes", text=document("dear", **dear))
    until(lambda: policy_of(phone, _session_of_the_canary(phone)), lambda name: name == "dear", SEEN_S)

    def ask(number: int) -> str:
        # Each another text: what the cache answers says nothing of the choice.
        reply = phone.infer(f"set a timer for {number + 1} minutes", session_id=f"session-{number}")
        assert reply.status == 200, reply.body
        return str(reply.json["routing"]["policy"]).split("@")[0]

    def ended() -> dict[str, Any]:
        text = site.client("ssm").get_parameter(Name=rollout_parameter("dev"))["Parameter"]["Value"]
        shift: dict[str, Any] = json.loads(text)
        return shift if shift["share"] == 0 else {}

    with ThreadPoolExecutor(4) as callers:
        names = list(callers.map(ask, range(72)))
    assert set(names) == {before, "dear"}
    change = until(ended, bool, 2 * SEEN_S)["change"]
    assert (change["action"], change["by"]) == ("rollback", "tierwise"), change
    sessions = [f"session-{number}" for number in range(12)]
    until(lambda: {policy_of(phone, one) for one in sessions}, lambda names: names == {before}, SEEN_S)
