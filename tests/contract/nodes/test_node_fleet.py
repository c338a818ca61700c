"""The contract of `NodeFleet` over ECS (moto: counts alone, no task ever runs) and over the stand-in of a vLLM node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import botocore.session
import httpx2
import pytest

from gateway.sandbox.mec import MecOptions
from router_core.adapters.aws.client import AwsThreads
from router_core.adapters.aws.ecs_nodes import FAULTS, EcsNodes
from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.vllm_lora import VllmAdapter
from router_core.errors import StoreError
from router_core.ports import NodeFleet
from tests.localmoto import Clients, client, unique
from tests.mec_node import running_node

FOLDER = "/models/adapters/support"


@dataclass
class Subject:
    """A fleet without nodes, one that cannot be reached, and one whose service or adapter does not exist."""

    fleet: NodeFleet
    away: NodeFleet
    absent: NodeFleet


def ecs_service(ecs: Any, nodes: int = 0) -> tuple[str, str]:
    """A new cluster with one service, as the templates make them."""
    cluster, service = unique("edge"), unique("llama")
    ecs.create_cluster(clusterName=cluster)
    ecs.register_task_definition(
        family=service, containerDefinitions=[{"name": "vllm", "image": "vllm", "memory": 512}]
    )
    ecs.create_service(cluster=cluster, serviceName=service, taskDefinition=service, desiredCount=nodes)
    return cluster, service


@asynccontextmanager
async def over_ecs(aws: Clients) -> AsyncIterator[Subject]:
    cluster, service = ecs_service(aws("ecs"))
    threads = AwsThreads(workers=1, waiting=4)
    with closing(client("http://127.0.0.1:9", "ecs")) as away:
        yield Subject(
            fleet=EcsNodes(aws("ecs"), cluster, service, threads=threads),
            away=EcsNodes(away, cluster, service, threads=threads),
            absent=EcsNodes(aws("ecs"), cluster, "absent", threads=threads),
        )
    await threads.close()


@asynccontextmanager
async def over_vllm(aws: Clients) -> AsyncIterator[Subject]:
    with running_node(MecOptions(lora_folders=(FOLDER,), api_key="node-key", pace=0)) as (_, url):
        pool, away = HttpPool(f"{url}/v1"), HttpPool("http://127.0.0.1:9/v1")
        yield Subject(
            fleet=VllmAdapter(pool, "support", FOLDER, api_key="node-key"),
            away=VllmAdapter(away, "support", FOLDER),
            absent=VllmAdapter(pool, "other", "/models/adapters/other", api_key="node-key"),
        )
        await pool.aclose()
        await away.aclose()


KINDS: dict[str, Callable[[Clients], Any]] = {"ecs": over_ecs, "vllm": over_vllm}


@pytest.fixture(params=sorted(KINDS))
async def subject(request: pytest.FixtureRequest, aws: Clients) -> AsyncIterator[Subject]:
    async with KINDS[request.param](aws) as opened:
        yield opened


async def test_what_is_wanted_is_wanted_until_something_else_is(subject: Subject) -> None:
    for count in (0, 1, 1, 0, 0, 1):
        await subject.fleet.want(count)
        assert (await subject.fleet.standing()).wanted == count


async def test_what_is_away_is_a_store_error(subject: Subject) -> None:
    with pytest.raises(StoreError):
        await subject.away.standing()
    with pytest.raises(StoreError):
        await subject.away.want(1)


async def test_what_does_not_exist_is_a_store_error(subject: Subject) -> None:
    with pytest.raises(StoreError):
        await subject.absent.want(1)


async def test_ecs_says_how_many_are_wanted_and_how_many_run(aws: Clients) -> None:
    """moto runs no task: a service that was just made counts none, one that was changed counts all."""
    cluster, service = ecs_service(aws("ecs"), 3)
    threads = AwsThreads(workers=1, waiting=4)
    standing = await EcsNodes(aws("ecs"), cluster, service, threads=threads).standing()
    await threads.close()
    assert (standing.wanted, standing.running) == (3, 0)


def test_every_error_that_ecs_lists_is_known() -> None:
    model = botocore.session.get_session().get_service_model("ecs")
    for operation in ("DescribeServices", "UpdateService"):
        listed = {shape.name for shape in model.operation_model(operation).error_shapes}
        assert listed and listed <= set(FAULTS)


def test_the_stand_in_answers_as_vllm_does() -> None:
    with (
        running_node(MecOptions(models=("base",), lora_folders=(FOLDER,), pace=0)) as (_, url),
        httpx2.Client(base_url=f"{url}/v1", trust_env=False) as node,
    ):

        def said(path: str, **body: Any) -> tuple[int, Any]:
            reply = node.post(path, json=body)
            kind = reply.headers["content-type"].split(";")[0]
            return reply.status_code, reply.json()["error"]["type"] if kind.endswith("json") else reply.text

        load, unload = "/load_lora_adapter", "/unload_lora_adapter"
        assert said(load, lora_name="support") == (400, "InvalidUserInput")
        assert said(load, lora_name="support", lora_path="/elsewhere") == (404, "NotFoundError")
        assert said(unload, lora_name="support") == (404, "NotFoundError")
        added = "Success: LoRA adapter 'support' added successfully."
        assert said(load, lora_name="support", lora_path=FOLDER) == (200, added)
        assert said(load, lora_name="support", lora_path=FOLDER) == (400, "InvalidUserInput")
        assert said(load, lora_name="support", lora_path=FOLDER, load_inplace=True) == (200, added)
        cards = {row["id"]: (row["root"], row["parent"]) for row in node.get("/models").json()["data"]}
        assert cards["support"] == (FOLDER, "base")
        chat = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}
        assert node.post("/chat/completions", json=chat).json()["model"] == "support"
        removed = "Success: LoRA adapter 'support' removed successfully."
        assert said(unload, lora_name="support") == (200, removed)
        assert node.post("/chat/completions", json=chat).status_code == 404


def test_a_node_without_run_time_loading_has_no_such_paths() -> None:
    with running_node(MecOptions(pace=0)) as (_, url), httpx2.Client(base_url=url, trust_env=False) as node:
        reply = node.post("/v1/load_lora_adapter", json={"lora_name": "a", "lora_path": FOLDER})
    assert reply.status_code == 404
