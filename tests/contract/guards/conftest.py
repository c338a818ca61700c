"""The guards that the contract is run over, each against its stand-in on a socket. A new adapter is one more entry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.sandbox.faults import parse_step
from gateway.sandbox.mec import MecOptions
from gateway.sandbox.processes import StandIns, start_standins
from router_core.adapters.guards.bedrock_guardrail import BedrockGuardrail
from router_core.adapters.guards.llama_guard import LlamaGuard
from router_core.adapters.guards.openai_moderation import OpenAIModeration
from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.openai_http import OpenAIModel
from router_core.adapters.models.sigv4 import AwsKeys, static_credentials
from router_core.ports import ContentGuard
from tests.mec_node import running_node

SECRET = "key-that-must-not-show"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One guard, and how its stand-in is told what to do next."""

    guard: ContentGuard
    script: Callable[[dict[str, Any]], None]
    seen: Callable[[], list[Any]]


@pytest.fixture(scope="session")
def bedrock() -> Iterator[StandIns]:
    started = start_standins(mec_nodes=0, pace=0.0)
    yield started
    started.stop()


@pytest.fixture(params=["bedrock", "moderation", "llama-guard"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "bedrock":
        standins = request.getfixturevalue("bedrock")
        standins.script(standins.bedrock_url, {"reset": True})
        keys = AwsKeys(access_key_id=standins.access_key_id, secret_access_key=standins.secret_access_key)
        pool = HttpPool(standins.bedrock_url)
        guard: ContentGuard = BedrockGuardrail(
            pool,
            guardrail="gr123",
            version="1",
            region="us-east-1",
            credentials=static_credentials(keys),
            timeout_s=5.0,
        )
        yield Subject(
            guard=guard,
            script=lambda step: standins.script(standins.bedrock_url, {"steps": {"gr123": [step]}}),
            seen=lambda: standins.seen(standins.bedrock_url)["last"],
        )
        await pool.aclose()
        return
    options = MecOptions(models=("llama-guard-3",), pace=0.0, api_key=SECRET)
    with running_node(options) as (node, url):
        pool = HttpPool(f"{url}/v1")
        if request.param == "moderation":
            guard = OpenAIModeration(pool, model="llama-guard-3", api_key=SECRET, timeout_s=5.0)
        else:
            model = OpenAIModel(pool, model="llama-guard-3", api_key=SECRET)
            guard = LlamaGuard(model, name="llama-guard-3", timeout_s=5.0)
        yield Subject(
            guard=guard,
            script=lambda step: node.script.push("llama-guard-3", parse_step(step)),
            seen=lambda: [],
        )
        await pool.aclose()
