"""`tierwise serve` as its users start it: what it prints, how it stops, how workers share and come back."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from gateway.cli.client import Client
from gateway.cli.replay import replay
from gateway.settings.secrets import Secret
from tests.running import RunningGateway, running_gateway

pytestmark = pytest.mark.server
CANARY = "sk-canary-serve-33aa"
PATIENCE_S = 20.0


def client_of(gateway: RunningGateway, key: str | None = None) -> Client:
    return Client(url=gateway.url, key=Secret(key or gateway.key, "test"), timeout_s=30.0)


def until(seen: Callable[[], Any]) -> Any:
    """What `seen` gives once it is true; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := seen()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running_gateway("--sandbox", folder=tmp_path_factory.mktemp("serve")) as gateway:
        yield gateway


def run(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIERWISE_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, **environ},
        timeout=150,
        check=False,
    )


def test_the_ready_line_comes_first_then_the_key_and_the_banner_names_the_stand_ins(
    sandbox: RunningGateway,
) -> None:
    lines = sandbox.stdout.read_text().splitlines()
    assert lines == [f"tierwise ready on {sandbox.url}", f"key: {sandbox.key}"]
    assert "mec/edge-sim" in sandbox.stderr.read_text()
    assert "stand-ins" in sandbox.stderr.read_text()


def test_the_printed_key_is_an_admins_and_exactly_the_stand_ins_are_marked(sandbox: RunningGateway) -> None:
    targets = client_of(sandbox).call("GET", "/admin/targets")["targets"]
    marked = {target["name"] for target in targets if target["emulated"]}
    assert marked == {
        "mec/edge-sim",
        "cloud/nova-micro",
        "cloud/nova-lite",
        "cloud/nova-pro",
        "cloud/titan-embed",
    }
    assert {target["tier"] for target in targets} == {"device", "mec", "cloud"}


@pytest.mark.parametrize(
    ("text", "tiers", "tier"),
    [
        ("set a timer for 5 minutes", ["device"], "device"),
        ("Tell me about trees", ["mec"], "mec"),
        ("Tell me about trees", ["cloud"], "cloud"),
    ],
)
def test_every_tier_answers(sandbox: RunningGateway, text: str, tiers: list[str], tier: str) -> None:
    answer = client_of(sandbox).call("POST", "/inference", {"input": text, "preferences": {"tiers": tiers}})
    assert (answer["status"], answer["routing"]["tier"]) == ("completed", tier)
    assert answer["routing"]["emulated"] is (tier != "device")


def test_ask_explain_and_targets_talk_to_it(sandbox: RunningGateway, tmp_path: Path) -> None:
    where = {"TIERWISE_URL": sandbox.url, "TIERWISE_KEY": sandbox.key}
    asked = run("ask", "set a timer for 5 minutes", folder=tmp_path, **where)
    assert asked.returncode == 0
    assert json.loads(asked.stdout) == {"commands": [{"intent": "set_timer", "slots": {"duration_s": 300}}]}
    assert "device/intent-v1" in asked.stderr
    streamed = run("ask", "--stream", "Tell me about trees", folder=tmp_path, **where)
    assert (streamed.returncode, bool(streamed.stdout.strip())) == (0, True)
    explained = run("explain", "hello", "--json", folder=tmp_path, **where)
    assert json.loads(explained.stdout)["output"] is None
    listed = run("targets", folder=tmp_path, **where)
    assert "cloud/nova-pro" in listed.stdout
    refused = run("ask", "hi", folder=tmp_path, TIERWISE_URL=sandbox.url, TIERWISE_KEY="wrong")
    assert refused.returncode == 1
    assert "401" in refused.stderr


def test_a_decision_replays_to_the_bit_from_its_records(sandbox: RunningGateway, tmp_path: Path) -> None:
    answer = client_of(sandbox).call("POST", "/inference", {"input": "turn off the kitchen lights"})
    events = sandbox.stdout.parent / "var" / "events"
    found = until(lambda: replay(events, answer["request_id"]))
    assert found.same
    assert found.recorded["scores"] == answer["routing"]["scores"]
    again = run(
        "explain", "--replay", answer["request_id"], "--events", str(events), "--json", folder=tmp_path
    )
    assert again.returncode == 0
    assert json.loads(again.stdout)["same"] is True


def test_on_sigterm_readiness_falls_work_ends_whole_records_are_kept_and_the_status_is_0(
    tmp_path: Path,
) -> None:
    answers: list[Any] = []
    with running_gateway("--sandbox", folder=tmp_path) as gateway:
        client = client_of(gateway)
        body = {"input": "Tell me a long story about trees", "preferences": {"tiers": ["mec"]}}
        work = threading.Thread(target=lambda: answers.append(client.call("POST", "/inference", body)))
        work.start()
        until(lambda: any(target["inflight"] for target in client.call("GET", "/admin/targets")["targets"]))
        gateway.process.send_signal(signal.SIGTERM)
        until(lambda: client.ask("GET", "/health/readiness").status == 503)
        assert client.ask("POST", "/inference", {"input": "one more"}).status == 503
        work.join()
        assert gateway.process.wait(PATIENCE_S) == 0
    assert answers[0]["status"] == "completed"
    kept = replay(tmp_path / "var" / "events", answers[0]["request_id"])
    assert kept is not None and kept.same
    assert not _connects(gateway.url)


def test_workers_share_numbers_and_drains_and_come_back_when_killed(tmp_path: Path) -> None:
    with running_gateway("--sandbox", "--workers", "2", folder=tmp_path) as gateway:
        client = client_of(gateway)
        for _ in range(8):
            client.call("POST", "/inference", {"input": "set a timer for 5 minutes"})
        until(lambda: _completed(client) == 8.0)
        client.call("POST", "/admin/targets/mec/edge-sim/drain", {"draining": True})
        until(lambda: all(_draining(client) for _ in range(12)))
        workers = _workers(gateway)
        assert len(workers) == 2
        workers[0].kill()
        until(
            lambda: (
                len(_workers(gateway)) == 2 and workers[0].pid not in {one.pid for one in _workers(gateway)}
            )
        )
        until(lambda: client.ask("GET", "/health/readiness").status == 200)
        until(lambda: all(_draining(client) for _ in range(12)))
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(PATIENCE_S) == 0


def test_the_stand_ins_end_with_a_gateway_that_was_killed(tmp_path: Path) -> None:
    with running_gateway("--sandbox", "--workers", "2", folder=tmp_path) as gateway:
        family = psutil.Process(gateway.process.pid).children(recursive=True)
        assert len(family) == 3
        gateway.process.kill()
        _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
        assert alive == []


def test_a_secret_in_settings_appears_in_no_output_answer_metric_or_record(tmp_path: Path) -> None:
    targets = [
        {
            "name": "mec/gone",
            "base_url": "http://127.0.0.1:9/v1",
            "model": "llama-3.1-8b",
            "api_key": "env:EDGE_KEY",
        },
        {"name": "device/intent-v1", "kind": "onnx", "model": "intent-v1", "tasks": ["command"]},
    ]
    environment = {
        "TIERWISE_TARGETS": json.dumps(targets),
        "TIERWISE_KEYS": '[{"id": "phone", "tenant": "acme", "secret": "env:PHONE_KEY"}]',
        "EDGE_KEY": f"{CANARY}-edge",
        "PHONE_KEY": f"{CANARY}-phone",
    }
    seen: list[str] = []
    with running_gateway("--sandbox", folder=tmp_path, environment=environment) as gateway:
        client = client_of(gateway, f"{CANARY}-phone")
        for body in (
            {"input": "set a timer for 5 minutes"},
            {"input": "hello", "preferences": {"tiers": ["mec"]}},
            {"x": 1},
        ):
            seen.append(repr(client.ask("POST", "/inference", body)))
        for path in ("/admin/targets", "/admin/policy", "/metrics", "/openapi.json", "/v1/models"):
            seen.append(repr(client_of(gateway).ask("GET", path)))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    everything = "".join(seen) + "".join(path.read_bytes().decode(errors="replace") for path in files)
    assert "acme" in everything
    assert CANARY not in everything


@pytest.mark.parametrize(
    ("environ", "arguments", "message"),
    [
        ({"TIERWISE_SERVER__HOST": "0.0.0.0"}, (), "configure a key first"),  # noqa: S104  # the point: it must be refused
        ({}, ("--sandbox", "--host", "0.0.0.0"), "loopback only"),  # noqa: S104  # the point: it must be refused
        (
            {"TIERWISE_POLICY__SSM": "/tierwise/dev/policy"},
            (),
            "policy /tierwise/dev/policy: ssm was asked without",
        ),
        ({"TIERWISE_POLICY__FILE": "absent.json"}, (), "absent.json cannot be read"),
        ({"TIERWISE_SERVER__PROT": "1"}, (), "did you mean server.port"),
        ({"TIERWISE_KEYS": '[{"id": "a", "secret": "env:ABSENT"}]'}, (), "env:ABSENT is empty or not set"),
    ],
)
def test_a_start_that_cannot_be_is_refused_in_one_sentence(
    tmp_path: Path, environ: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    done = run("serve", "--port", "0", *arguments, folder=tmp_path, **environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said(sandbox: RunningGateway, tmp_path: Path) -> None:
    done = run("serve", "--port", str(urlsplit(sandbox.url).port), folder=tmp_path)
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr


def test_the_demo_plays_sixteen_requests_and_each_shows_its_point(tmp_path: Path) -> None:
    done = run("demo", "--json", "--pace", "0.5", folder=tmp_path)
    document = json.loads(done.stdout)
    wrong = [(row["scenario"], row["why"]) for row in document["requests"] if not row["shown"]]
    assert wrong == []
    assert (done.returncode, len(document["requests"])) == (0, 16)


def _workers(gateway: RunningGateway) -> list[psutil.Process]:
    children = psutil.Process(gateway.process.pid).children()
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "gateway.sandbox" not in child.cmdline()]


def _draining(client: Client) -> bool:
    targets = client.call("GET", "/admin/targets")["targets"]
    return next(bool(target["draining"]) for target in targets if target["name"] == "mec/edge-sim")


def _completed(client: Client) -> float:
    page = str(client.call("GET", "/metrics"))
    lines = [line for line in page.splitlines() if line.startswith("tierwise_requests_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _connects(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.connect()
    except OSError:
        return False
    connection.close()
    return True
