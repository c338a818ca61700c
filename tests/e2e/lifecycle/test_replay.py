"""`tierwise explain --replay`: every decision just made comes out again, to the last bit, from its records alone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.parser import main
from tests.e2e.lifecycle.house import House, open_house, until
from tests.upstream.server import FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("lifecycle-afterwards")]
REQUESTS = 50
TEXTS = (
    "set a timer for 5 minutes",
    "Explain step by step why the sky is blue, and compare it with Mars. " * 8,
    "Patient with MRN 48213377, which results are open?",
    "Übersetze: Guten Morgen, wie geht es dir?",
    "write to m.huber@example.org",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with (
        FaultServer(length=10) as upstream,
        open_house(tmp_path_factory.mktemp("replay"), upstream) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def served(house: House) -> list[str]:
    """The ids of REQUESTS answered requests, as different as they come."""
    draw = random.Random(11)
    ids = _serve(house, draw, REQUESTS // 2)
    first = _state(house)
    # What the first half taught makes a new snapshot for the second.
    until(lambda: _serve(house, draw, 1) and _state(house) != first)
    ids += _serve(house, draw, REQUESTS - len(ids))
    until(lambda: set(ids) <= {record["request_id"] for record in house.records("decision")})
    return ids


def _serve(house: House, draw: random.Random, count: int) -> list[str]:
    ids: list[str] = []
    with house.client() as client:
        while len(ids) < count:
            reply = client.post("/inference", json=_varied(draw))
            assert reply.status_code in (200, 422, 502), reply.text
            if reply.status_code == 200:
                ids.append(reply.headers["x-tierwise-request-id"])
    return ids


def _state(house: House) -> str:
    """The snapshot of the newest decision on disk that chose a target; a refusal names none."""
    chosen = [record for record in house.records("decision") if record["chosen"] is not None]
    return str(chosen[-1]["state_sha256"])


def _varied(draw: random.Random) -> dict[str, Any]:
    wishes: dict[str, Any] = {
        "optimize": draw.choice(("balanced", "latency", "cost", "quality", "privacy", "energy"))
    }
    if draw.random() < 0.2:
        wishes["target"] = draw.choice(("mec/node", "cloud/lite"))
    if draw.random() < 0.3:
        wishes |= {"max_cost_usd": draw.random(), "min_quality": draw.random()}
    device = {"class": "phone", "battery": draw.random(), "thermal": "nominal", "cpu_load": draw.random()}
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": draw.choice(TEXTS)}],
        "preferences": wishes,
        "privacy": {"level": draw.choice(("public", "internal", "confidential", "restricted"))},
        "device": device,
        "network": {"type": draw.choice(("5g", "wifi", "ethernet")), "rtt_ms": draw.random() * 50},
        "location": {"lat": draw.uniform(-60, 60), "lon": draw.uniform(-170, 170)},
        "stream": draw.random() < 0.3,
    }
    return body | ({"session_id": f"s{draw.randrange(3)}"} if draw.random() < 0.5 else {})


def test_the_requests_were_varied(house: House, served: list[str]) -> None:
    decisions = [record for record in house.records("decision") if record["request_id"] in set(served)]
    assert {record["tier"] for record in decisions} == {"device", "mec", "cloud"}
    assert len({record["state_sha256"] for record in decisions}) > 1
    assert len({json.dumps(record["scores"]) for record in decisions}) > REQUESTS / 2
    assert {"fast", "pinned"} <= {record["decided_by"] for record in decisions}


def test_every_one_of_them_replays_to_the_bit(
    house: House, served: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for request_id in served:
        assert main(["explain", "--replay", request_id, "--events", str(house.events), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["request_id"], found["same"], found["differing"]) == (request_id, True, [])


def test_the_command_says_so_and_an_unknown_id_fails(house: House, served: list[str], tmp_path: Path) -> None:
    def run(request_id: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "gateway",
            "explain",
            "--replay",
            request_id,
            "--events",
            str(house.events),
        ]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)

    assert run(served[0]).returncode == 0
    unknown = run("req_000000000000")
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr
