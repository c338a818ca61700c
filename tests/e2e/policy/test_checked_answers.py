"""Answers are checked by a running gateway, over a socket, and what decides on them is fitted from its own log."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from router_core.adapters.events.reader import read
from router_core.learning.verification import FEATURES, Group, Keeping, to_document
from tests.running import RunningGateway, running_gateway

POLICY = {
    "verification": {"checks": ["form", "logprobs", "second", "sample"], "keep_above": None, "audit": 0.5},
    "objectives": {"balanced": {"cost": 1.0, "quality": 0.01}},
    "classes": {"complex": {"optimize": "balanced"}},
    "scorer": {"share": 1.0},
    "cache": {"enabled": False},
}
NOTHING_IS_SURE = Keeping(groups={"*": Group(weights=(-9.0, *[0.0] * (len(FEATURES) - 1)))})
QUESTIONS = [f"Please tell me something about the number {number} and its friends." for number in range(24)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("checked")
    (folder / "policy.json").write_text(json.dumps(POLICY))
    (folder / "checks.json").write_text(json.dumps(to_document(NOTHING_IS_SURE)))
    settings = '[policy]\nfile = "policy.json"\n[learning]\nchecks = "checks.json"\n'
    (folder / "tierwise.toml").write_text(settings)
    with running_gateway("--sandbox", folder=folder) as running:
        yield running


def asking(gateway: RunningGateway) -> httpx2.Client:
    return httpx2.Client(base_url=gateway.url, headers=gateway.headers, timeout=30.0, trust_env=False)


def test_what_is_not_kept_is_followed_and_what_is_audited_is_kept(gateway: RunningGateway) -> None:
    with asking(gateway) as client:
        answers = [client.post("/inference", json={"input": text}).json() for text in QUESTIONS]
        for answer in answers:
            assert answer["status"] == "completed" and answer["output"]["text"], answer
            score = {"score": 1.0 if answer["attempts"][0]["outcome"] == "ok" else 0.0}
            client.post(f"/inference/{answer['request_id']}/feedback", json=score).raise_for_status()
        page = client.get("/metrics").text
    firsts = {answer["attempts"][0]["outcome"] for answer in answers}
    assert firsts == {"ok", "unverified"}
    followed = [one for one in answers if one["attempts"][0]["outcome"] == "unverified"]
    assert all(one["attempts"][0]["target"].startswith("mec/") for one in followed)
    assert all(one["attempts"][-1]["target"].startswith("cloud/") for one in followed)
    assert 'verdict="unverified"' in page and 'verdict="audited"' in page


def test_a_stream_that_is_checked_is_one_answer(gateway: RunningGateway) -> None:
    with asking(gateway) as client:
        told = client.post("/inference", json={"input": QUESTIONS[0] + " Briefly.", "stream": True}).text
    events = [line.removeprefix("event: ") for line in told.splitlines() if line.startswith("event: ")]
    assert events[0] == "decision" and events[-1] == "done" and events.count("delta") == 1


def test_openai_clients_see_one_answer_and_no_log_probabilities(gateway: RunningGateway) -> None:
    with asking(gateway) as client:
        body = {"model": "auto", "messages": [{"role": "user", "content": QUESTIONS[1]}]}
        answer = client.post("/v1/chat/completions", json=body).json()
    assert len(answer["choices"]) == 1 and not answer["choices"][0].get("logprobs")


def learn(gateway: RunningGateway, *arguments: str) -> tuple[int, str]:
    folder = gateway.stdout.parent
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "learn", *arguments, "--json"],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_gateways_own_log_fits_what_decides(gateway: RunningGateway) -> None:
    folder = gateway.stdout.parent
    deadline = time.monotonic() + 10.0
    while sum(record["kind"] == "quality" for record in read(folder / "var" / "events")) < len(QUESTIONS):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    status, told = learn(gateway, "checks", "--out", "new/checks.json")
    assert status == 0, told
    group = json.loads((folder / "new" / "checks.json").read_text())["groups"]["*"]
    assert 0 < group["judged"] < len(QUESTIONS) and len(group["weights"]) == len(FEATURES)
    target = _served(folder)
    status, told = learn(gateway, "model", target, "--out", "heads.json")
    assert status == (0 if _scored(folder) >= 30 else 1), told


def test_a_log_without_checks_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "var" / "events").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "learn", "checks", "--out", "x.json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and "verification.checks" in done.stderr


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    return read(folder / "var" / "events")


def _served(folder: Path) -> str:
    return next(str(record["target"]) for record in _records(folder) if record["kind"] == "quality")


def _scored(folder: Path) -> int:
    found = (record for record in _records(folder) if record["kind"] == "decision")
    return sum(bool(record["features"].get("foreseen")) for record in found)
