"""A real gateway that deploys what is asked for: an adapter on a vLLM node (the stand-in), a service in ECS (moto, which
counts a wanted task as running at once).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.composition.nodes import open_nodes
from gateway.composition.plan import plan
from gateway.sandbox.mec import MecOptions
from gateway.settings.loading import load
from router_core.adapters.system_clock import SystemClock
from router_core.errors import ConfigurationError
from tests.contract.nodes.test_node_fleet import FOLDER, ecs_service
from tests.fakes import FakeEvents
from tests.localmoto import Clients, environment
from tests.mec_node import running_node
from tests.running import running_gateway

PATIENCE_S = 20.0


def target(name: str, model: str, url: str) -> dict[str, str]:
    return {"name": name, "kind": "openai", "model": model, "base_url": f"{url}/v1"}


@pytest.mark.server
def test_what_is_asked_for_is_deployed_and_then_serves(
    aws: Clients, aws_endpoint: str, tmp_path: Path
) -> None:
    cluster, service = ecs_service(aws("ecs"))
    options = MecOptions(models=("base",), lora_folders=(FOLDER,), pace=0)
    with running_node(options) as (node, url):
        models = [
            {"target": "mec/support", "adapter": FOLDER},
            {"target": "mec/big", "service": service, "max": 2},
        ]
        variables = {
            **environment(aws_endpoint),
            "TIERWISE_TARGETS": json.dumps(
                [target("mec/support", "support", url), target("mec/big", "big", "http://127.0.0.1:9")]
            ),
            "TIERWISE_NODES": json.dumps({"cluster": cluster, "every_s": 0.1, "models": models}),
        }
        with running_gateway("--sandbox", folder=tmp_path, environment=variables) as gateway:
            with httpx2.Client(
                base_url=gateway.url, headers=gateway.headers, timeout=30, trust_env=False
            ) as admin:
                until(lambda: {stands(admin)[name] for name in ("mec/support", "mec/big")} == {"cold"})
                answers = [ask(admin, "mec/support"), ask(admin, "mec/big")]
                assert answers == [503, 503]
                until(lambda: ask(admin, "mec/support") == 200)
                until(lambda: stands(admin)["mec/big"] == "hot")
                assert stands(admin)["mec/support"] == "hot"
            records = "".join(
                file.read_text(errors="replace") for file in (tmp_path / "var" / "events").iterdir()
            )
        assert node.adapters.loaded == {"support": FOLDER}
    found = aws("ecs").describe_services(cluster=cluster, services=[service])["services"][0]
    assert found["desiredCount"] == 1
    assert records.count('"kind":"nodes"') == 2


def ask(admin: httpx2.Client, name: str) -> int:
    body = {"input": "Say hello", "preferences": {"target": name}}
    return admin.post("/inference", json=body).status_code


def stands(admin: httpx2.Client) -> dict[str, str]:
    listed: list[dict[str, Any]] = admin.get("/admin/targets").raise_for_status().json()["targets"]
    return {view["name"]: view["residency"] for view in listed}


def until(holds: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([{"target": "mec/absent", "adapter": FOLDER}], "no edge node"),
        ([{"target": "mec/a"}], "a service or an adapter"),
        ([{"target": "mec/a", "adapter": FOLDER, "service": "s"}], "a service or an adapter"),
        ([{"target": "mec/a", "adapter": FOLDER, "max": 2}], "do not fit"),
        ([{"target": "mec/a", "adapter": FOLDER, "min": 2}], "do not fit"),
        ([{"target": "mec/a", "service": "s"}], "cluster"),
        ([{"target": "mec/a", "adapter": FOLDER}] * 2, "twice"),
    ],
)
async def test_settings_that_make_no_sense_are_refused(models: list[Any], said: str, tmp_path: Path) -> None:
    file = tmp_path / "tierwise.toml"
    file.write_text("")
    variables = {
        "TIERWISE_TARGETS": json.dumps([target("mec/a", "a", "http://127.0.0.1:9")]),
        "TIERWISE_NODES": json.dumps({"models": models}),
    }
    made = plan(load(str(file), variables), variables, sandbox=False)
    closers: list[Any] = []
    with pytest.raises(ConfigurationError, match=said):
        await open_nodes(made, None, FakeEvents(), closers, SystemClock())
    for close in closers:
        await close()
