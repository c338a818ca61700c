"""A gateway on a socket, its agents' Nova behind Strands, boto3 and signatures: well, slow, throttled, junk and down.

What `tests/unit/deliberation/test_on_the_path.py` holds against a stand-in for the client is held here for all of it, by the
answers, by /metrics and by the event log that is left.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.sandbox.processes import StandIns, start_standins
from router_core.adapters.events.reader import read
from router_core.routing.replay import replay, same
from tests.e2e.faults.settings_file import write_settings
from tests.running import RunningGateway, running_gateway

pytest.importorskip("strands", reason="the deliberation extra is not installed")
pytestmark = pytest.mark.server
AT_ONCE = 8
BUDGET_MS = 300.0
USD_PER_REQUEST = 0.0001
LEAST_USD = 0.02
"""Of the cap, by the size of the run: less than asking about every request would cost."""
NOVA = tuple(f"amazon.nova-{role}-v1:0" for role in ("micro", "lite", "pro"))
SPARE_MS = 200.0
"""For the machine, which also asks, answers and checks signatures."""
READY_S = 30.0
ENDED = r"tierwise_deliberation_seconds_count|outcome=\"(unavailable|malformed)\""
NOWHERE = "http://127.0.0.1:9"
JUNK: list[dict[str, Any]] = [
    {"body": {"x": "<html>"}},
    {"body": {"output": {}}},
    {"error": "ModelErrorException", "status": 424},
    {"text": "cloud/pro, I promise"},
]
STATES: dict[str, list[dict[str, Any]]] = {
    "healthy": [
        {"delay_ms": 80.0, "repeat": 0}
    ],  # as quick as no model is, without filling a small machine with questions
    "slow": [{"delay_ms": 5000.0, "repeat": 0}],
    "throttled": [{"error": "ThrottlingException", "status": 429, "repeat": 0}],
    "junk": [{**step, "repeat": 2500} for step in JUNK],
    "down": [],
}


@pytest.fixture(scope="module")
def standins() -> Any:
    started = start_standins(mec_nodes=1, pace=0.0)
    yield started
    started.stop()


def settings(folder: Path, standins: StandIns, nova: str, usd: float) -> Path:
    """Two targets to choose from, and agents that always ask."""
    always = {**dict.fromkeys(("simple", "complex", "critical", "batch"), "always"), "budget_ms": BUDGET_MS}
    targets = [
        {
            "name": "mec/a",
            "kind": "openai",
            "base_url": f"{standins.mec_urls[0]}/v1",
            "model": "llama-3.1-8b",
            "region": "us-east-1",
        },
        {
            "name": "cloud/lite",
            "kind": "bedrock",
            "model": "us.amazon.nova-lite-v1:0",
            "endpoint_url": standins.bedrock_url,
            "region": "us-east-1",
        },
    ]
    policy = {
        "deliberation": {"router": always, "context": always},
        "deliberation_limits": {"usd_per_day": usd, "tenant_usd_per_day": usd, "reuse_s": 0.0},
    }
    sections = {"deliberation": {"region": "us-east-1", "endpoint_url": nova}}
    return write_settings(folder, targets, policy, **sections)


async def asked(gateway: RunningGateway, count: int) -> list[dict[str, Any]]:
    """What became of so many requests."""
    limits, turn = httpx.Limits(max_connections=AT_ONCE), asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(
        base_url=gateway.url, headers=gateway.headers, limits=limits, timeout=30.0
    ) as client:

        async def one(number: int) -> dict[str, Any]:
            text = f"compare step {number} of the proof with step {number % 7} and derive the rest"
            async with turn:
                reply = await client.post(
                    "/inference", json={"input": text, "params": {"max_tokens": 8 + number % 5}}
                )
            assert reply.status_code == 200, reply.text
            return dict(reply.json())

        return list(await asyncio.gather(*(one(number) for number in range(count))))


async def metrics(gateway: RunningGateway) -> str:
    async with httpx.AsyncClient(base_url=gateway.url, headers=gateway.headers) as client:
        return (await client.get("/metrics")).text


async def loaded(gateway: RunningGateway) -> int:
    """How many requests it took until a first question had ended: what asks is loaded beside the first ones."""
    async with asyncio.timeout(READY_S):
        for number in itertools.count(1):
            await asked(gateway, 1)
            if re.search(ENDED, await metrics(gateway)):
                return number
            await asyncio.sleep(0.2)
    raise AssertionError


def metric(text: str, name: str) -> float:
    """The sum over its labels."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def replayed(folder: Path) -> int:
    """How many decisions the log holds, each of them the same again from the log alone."""
    kept: dict[str, dict[str, Any]] = {}
    count = 0
    for record in read(folder):
        if record["kind"] in ("state", "policy"):
            kept[record["sha256"]] = record
        elif record["kind"] == "decision":
            again = replay(record, kept[record["state_sha256"]], kept[record["policy_sha256"]])
            assert same(record, again)
            count += 1
    return count


@pytest.mark.parametrize("state", STATES)
async def test_no_request_fails_and_the_cap_holds(
    state: str, standins: StandIns, tmp_path: Path, at_size: Callable[[int, int], int], request: Any
) -> None:
    count = at_size(40, 2_000)
    standins.script(standins.bedrock_url, {"reset": True})
    usd = LEAST_USD + count * USD_PER_REQUEST
    config = settings(tmp_path, standins, NOWHERE if state == "down" else standins.bedrock_url, usd)
    keys = {
        "AWS_ACCESS_KEY_ID": standins.access_key_id,
        "AWS_SECRET_ACCESS_KEY": standins.secret_access_key,
    }
    with running_gateway("--config", str(config), folder=tmp_path, environment=keys) as gateway:
        before = await loaded(gateway)
        if STATES[state]:
            steps = dict.fromkeys(NOVA, STATES[state])
            standins.script(standins.bedrock_url, {"reset": True, "steps": steps})
        answers = await asked(gateway, count)
        figures = told(answers, await metrics(gateway))
    assert figures.statuses == {"completed"}
    assert (figures.deliberated > 0) is (state == "healthy"), figures
    assert figures.usd <= usd
    assert figures.decisions == count + before
    if request.config.getoption("--proof"):
        print(state, figures)  # noqa: T201 - what --proof is for
        assert figures.p99_ms <= BUDGET_MS + SPARE_MS, figures
    assert replayed(tmp_path / "var" / "events") == count + before


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a run came to, by its answers and by /metrics."""

    statuses: set[str]
    deliberated: int
    p50_ms: float
    p99_ms: float
    usd: float
    decisions: float
    questions: float
    outcomes: dict[str, float]


def told(answers: list[dict[str, Any]], said: str) -> Told:
    took = sorted(answer["timings"]["decision_ms"] for answer in answers)
    outcomes = re.findall(r'^tierwise_deliberations_total{.*outcome="(\w+)"} (\S+)$', said, re.MULTILINE)
    return Told(
        statuses={answer["status"] for answer in answers},
        deliberated=sum(answer["routing"]["decided_by"] == "deliberated" for answer in answers),
        p50_ms=took[len(took) // 2],
        p99_ms=took[int(0.99 * len(took))],
        usd=metric(said, "tierwise_deliberation_cost_usd_total"),
        decisions=metric(said, "tierwise_deliberated_decision_seconds_count"),
        questions=metric(said, "tierwise_deliberation_seconds_count"),
        outcomes={word: sum(float(n) for one, n in outcomes if one == word) for word, _ in outcomes},
    )
