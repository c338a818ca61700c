"""What a cold function loads and what that costs, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from router_core.deployment import STAGE
from tests.parity.cases import TARGETS
from tests.parity.site import House, environment
from tests.parity.test_parity import CASES, request_of

HEAVY = (
    "boto3", "botocore", "fastapi", "httptools", "msgspec", "onnxruntime", "opentelemetry", "orjson",
    "prometheus_client", "pydantic", "redis", "rich", "starlette", "tokenizers", "uvicorn",
)  # fmt: skip
LIMIT_MS = 400
PROGRAM = """
import json, sys, time
began = time.process_time()
import gateway.hosts.aws_lambda as host
imported = time.process_time() - began
before = {name.partition(".")[0] for name in sys.modules}
answer = host.handler(json.load(open(sys.argv[1])), None)
print(json.dumps({"imported_ms": imported * 1e3, "before": sorted(before), "after": sorted({n.partition(".")[0] for n in sys.modules}),
                  "target": answer["decision"]["target"]}))
"""


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stages before hand to the router."""
    folder = tmp_path_factory.mktemp("cold")
    house = House(environment(dict.fromkeys(TARGETS, "http://127.0.0.1:9"), folder))
    payload: dict[str, Any] = {"request": request_of(CASES[45])}
    for name in ("context", "resource"):
        payload = house.host(name)(payload, None)
    house.close()
    file = folder / "event.json"
    file.write_text(json.dumps(payload))
    return file


def _cold(event: Path) -> dict[str, Any]:
    environ = {"PATH": os.environ["PATH"], STAGE: "router"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(event)], env=environ, check=True, capture_output=True, text=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_cold_router_loads_no_sdk_no_framework_and_no_engine(event: Path) -> None:
    told = _cold(event)
    assert told["target"] in TARGETS
    assert [name for name in HEAVY if name in told["after"]] == []
    assert "numpy" not in told["before"], "the handler's own import is for every function"


def test_the_handler_is_imported_within_the_limit(event: Path) -> None:
    """The processor's time, because the machine is shared; the best of three."""
    assert min(_cold(event)["imported_ms"] for _ in range(3)) <= LIMIT_MS
