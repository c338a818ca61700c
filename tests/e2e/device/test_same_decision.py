"""A thousand decisions that a gateway recorded, decided again from their features by the Python client and by the TypeScript one.

The gateway answers real requests; the clients know its signed bundle, and of each request what the record holds.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from agents.assembly import Ports, assemble
from edge_runtime.protocol.bundle import Bundle, read_bundle
from edge_runtime.protocol.envelope import BUNDLE_TYPE, Trust, signer
from edge_runtime.sdk.deciding import DeviceRouter
from gateway.http.app import create_app
from gateway.http.device.marks import FileMarks
from gateway.http.device.routes import DeviceDesk
from router_core.adapters.system_clock import SystemClock
from router_core.context import RequestContext
from router_core.inference import OBJECTIVES
from router_core.policy.document import Policy
from router_core.policy.rollout import Rollout
from router_core.ports import Reading
from router_core.routing.decide import decide
from tests.e2e.device.house import PRIVATE, PUBLIC
from tests.fakes import (
    FakeEmbedder,
    FakeEvents,
    FakeModel,
    FakeProbe,
    FakeResponses,
    FixedPolicy,
    text_answer,
)
from tests.unit.edge_runtime.vectors import SPECS, answer
from tests.unit.gateway.asgi import call, dependencies
from tests.unit.gateway.scripted import ScriptedRouter

ROOT: Final = Path(__file__).parents[3]
RECORDED: Final = 1_000
TEXTS: Final = (
    "turn off the kitchen lights",
    "set a timer for 5 minutes and dim the bedroom",
    "Explain why the sky is blue, step by step, and prove each step.",
    "Write a Python function that merges two sorted lists and analyse its complexity.",
    "extract all names from: Ada met Grace in Rome",
    "My card 4111 1111 1111 1111 was charged twice",
    "hello",
    "word " * 4_000,
)


def bodies(seed: int) -> Any:
    """Requests over what a decision depends on, without end."""
    chance = random.Random(seed)
    while True:
        preferences = {
            "optimize": chance.choice(OBJECTIVES),
            "tiers": chance.choice(
                (["device", "mec", "cloud"],) * 6 + (["mec", "cloud"], ["device", "cloud"])
            ),
            "max_latency_ms": chance.choice((None, None, None, 800, 4_000)),
            "max_cost_usd": chance.choice((None, None, None, 0.001, 0.05)),
            "target": chance.choice((*(None,) * 9, "mec/a", "cloud/big")),
        }
        device = {
            "class": "phone", "executes": chance.random() < 0.5, "charging": chance.random() < 0.3,
            "battery": chance.choice((None, 0.05, 0.4, 0.9)), "thermal": chance.choice((None, "nominal", "serious")),
            "cpu_load": chance.choice((None, 0.2, 0.99)), "memory_free_mb": chance.choice((None, 20, 900)),
        }  # fmt: skip
        yield {
            "messages": [{"role": "user", "content": chance.choice(TEXTS)}],
            "task": chance.choice((None, None, "command", "chat", "extract")),
            "stream": False,
            "params": {"max_tokens": chance.choice((16, 128, 900))},
            "preferences": {name: value for name, value in preferences.items() if value is not None},
            "device": {name: value for name, value in device.items() if value is not None},
            "network": {"type": chance.choice(("wifi", "5g", "3g")), "rtt_ms": chance.choice((5, 60, 300))},
            "location": chance.choice(({}, {"lat": 48.1, "lon": 11.6}, {"lat": 40.7, "lon": -74.0})),
            "privacy": chance.choice(
                ({}, {}, {"level": "restricted"}, {"level": "public"}, {"residency": "eu"})
            ),
            "session_id": chance.choice((None, "s1", "s2", "s3")),
        }


async def recorded(folder: Path) -> tuple[Bundle, list[dict[str, Any]]]:
    """The bundle, and the decisions that followed it. What the answers teach reaches no snapshot while nobody looks anew."""
    events, names = FakeEvents(), [spec.name for spec in SPECS]
    router = assemble(
        SPECS,
        Ports(
            models={name: FakeModel([text_answer("an answer")]) for name in names},
            embedders={name: FakeEmbedder() for name in names},
            probes={name: FakeProbe(Reading(up=True)) for name in names},
            responses=FakeResponses(),
            events=events,
            policy=FixedPolicy(Rollout(stable=Policy())),
            clock=SystemClock(),
        ),
    )
    await router.look()
    desk = DeviceDesk(marks=FileMarks(folder / "marks.sqlite"), sign=signer(PRIVATE))
    app = create_app(replace(dependencies(ScriptedRouter()), device=desk, router=router, catalogue=SPECS))
    told = await call(app, "GET", "/device/bundle")
    (folder / "bundle.json").write_bytes(told.body)
    bundle = read_bundle(Trust([PUBLIC]).open(told.body, BUNDLE_TYPE))
    for body in bodies(seed=5):
        await call(app, "POST", "/inference", body)
        if len(events.records) >= 3 * RECORDED:
            break
    await router.close()
    # A request that nobody may serve is recorded, too, without a choice.
    found = [dict(record) for record in events.of("decision") if record.get("chosen") is not None]
    assert len(found) >= RECORDED
    return bundle, found[:RECORDED]


async def test_gateway_and_both_clients_choose_the_same(tmp_path: Path) -> None:
    bundle, records = await recorded(tmp_path)
    client = DeviceRouter((SPECS[0],), Policy())
    client.obey(bundle)
    table = client.all
    assert table is not None
    contexts = [RequestContext.from_features(record["features"]) for record in records]
    assert [decide(context, table).target for context in contexts] == [record["chosen"] for record in records]
    assert set(Counter(record["chosen"] for record in records)) == {spec.name for spec in SPECS}

    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the TypeScript client was not asked")
    cases = [
        {"features": record["features"], "decision": answer(context, table)}
        for record, context in zip(records, contexts, strict=True)
    ]
    document = json.loads(Trust([PUBLIC]).open((tmp_path / "bundle.json").read_bytes(), BUNDLE_TYPE))
    file = tmp_path / "recorded.json"
    file.write_text(json.dumps({"schema": 1, "bundle": document, "cases": cases}))
    vectors = ROOT / "sdk" / "typescript" / "vectors.mjs"
    command = [node, str(vectors), str(file)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    assert f"{RECORDED} of {RECORDED}" in done.stdout
