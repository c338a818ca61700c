"""The container's contract over a socket: /ping, /invocations, streams, hostile bodies; and what each action does."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.sandbox.processes import StandIns, start_standins

pytest.importorskip("strands", reason="the deliberation extra is not installed")
pytestmark = pytest.mark.server
LIGHTS = {"input": "turn off the kitchen lights"}
SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"


@pytest.fixture(scope="module")
def bedrock() -> Iterator[StandIns]:
    started = start_standins(mec_nodes=0, pace=0.0)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def port(bedrock: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("agentcore")
    (folder / "policy.json").write_text('{"proposals": {"mode": "propose"}}')
    targets = [
        {"name": "device/intent-v1", "kind": "onnx", "model": "intent-v1"},
        {
            "name": "cloud/nova-pro",
            "kind": "bedrock",
            "model": "amazon.nova-pro-v1:0",
            "region": "us-east-1",
            "endpoint_url": bedrock.bedrock_url,
        },
        {
            "name": "cloud/nova-lite",
            "kind": "bedrock",
            "model": "amazon.nova-lite-v1:0",
            "region": "us-east-1",
            "endpoint_url": bedrock.bedrock_url,
        },
    ]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TIERWISE_", "AWS_"))},
        "TIERWISE_TARGETS": json.dumps(targets),
        "TIERWISE_POLICY__FILE": str(folder / "policy.json"),
        "TIERWISE_DELIBERATION__ENDPOINT_URL": bedrock.bedrock_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": bedrock.access_key_id,
        "AWS_SECRET_ACCESS_KEY": bedrock.secret_access_key,
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "gateway.hosts.agentcore:app"]
    with (folder / "out.txt").open("wb") as out:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(number), "--log-level", "warning"],
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        _wait(number, process)
        yield number
    finally:
        process.terminate()
        assert process.wait(20) is not None


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60.0
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if send(port, "GET", "/ping")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the container did not start")


def send(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, sent, {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    decoded: Any = content.decode()
    if "json" in (answer.getheader("content-type") or ""):
        decoded = json.loads(content)
    return answer.status, decoded, answer.headers


def invoke(port: int, action: str, **rest: Any) -> tuple[int, Any]:
    return send(port, "POST", "/invocations", {"action": action, **rest})[:2]


def test_ping_says_healthy_and_since_when(port: int) -> None:
    status, body, _ = send(port, "GET", "/ping")
    assert status == 200 and body["status"] == "Healthy"
    assert abs(body["time_of_last_update"] - time.time()) < 300 and isinstance(
        body["time_of_last_update"], int
    )
    assert send(port, "POST", "/ping")[0] == 405


def test_ask_answers_and_explain_decides(port: int) -> None:
    status, answer = invoke(port, "ask", request=LIGHTS)
    assert status == 200 and answer["routing"]["tier"] == "device" and answer["output"]["json"]
    status, decided = invoke(port, "explain", request=LIGHTS)
    assert status == 200 and decided["output"] is None and decided["routing"]["target"] == "device/intent-v1"


def test_a_stream_is_server_sent_events(port: int) -> None:
    status, text, headers = send(
        port,
        "POST",
        "/invocations",
        {"action": "ask", "request": {"input": "tell me a story", "stream": True}},
    )
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    assert text.startswith("event: decision") and text.count("event: done") == 1


def test_deliberate_shows_both(port: int) -> None:
    status, both = invoke(port, "deliberate", request={"input": "compare the fall of Rome and of Byzantium"})
    assert status == 200 and both["fast"]["routing"]["target"]
    assert [one["agent"] for one in both["deliberated"]["model_answers"]]


def test_a_proposal_is_stored_and_a_round_says_how_it_ended(port: int) -> None:
    changes = [{"key": "cache.ttl_s", "value": 320.0}]
    status, found = invoke(port, "propose", changes=changes, why="fewer misses")
    assert status == 200 and found["state"] == "waiting" and found["by"] == "agentcore"
    assert [one["id"] for one in invoke(port, "proposals")[1]["proposals"]] == [found["id"]]
    invoke(port, "ask", request=LIGHTS)
    status, told = invoke(port, "propose", why="asked in a test")
    assert status == 200 and told["round"].startswith("round_") and (told["ended"] or told["proposal"])
    assert (
        invoke(port, "propose", changes=[{"key": "tiers.cloud.max_privacy", "value": 1}], why="x")[0] == 400
    )
    assert invoke(port, "propose", changes=[{"key": "x"}], why="x")[0] == 400


def test_the_runtimes_session_is_the_requests(port: int) -> None:
    body = {"action": "explain", "request": LIGHTS}
    for session in ("a" * 33, "x" * 5000, "a/../b"):
        assert send(port, "POST", "/invocations", body, {SESSION: session})[0] == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"x", 400),
        (b"[]", 400),
        (b"[" * 200_000, 413),
        (b" " * (2**20 + 1), 413),
        ({"action": "drain"}, 400),
        ({"action": ["ask"]}, 400),
        ({"action": "ask"}, 400),
        ({"action": "ask", "request": "x"}, 400),
        ({"action": "ask", "request": {}}, 400),
        ({"action": "ask", "request": LIGHTS, "key": "admin"}, 400),
        ({"action": "ask", "request": {**LIGHTS, "api_base": "http://evil.example"}}, 400),
        ({"action": "ask", "request": {**LIGHTS, "mode": "async"}}, 422),
    ],
)
def test_what_is_no_invocation_is_refused(port: int, body: Any, status: int) -> None:
    assert send(port, "POST", "/invocations", body)[0] == status


@pytest.mark.parametrize("path", ["/", "/inference", "/admin/targets", "/metrics", "/mcp", "/invocations/x"])
def test_there_is_no_other_way_in(port: int, path: str) -> None:
    assert send(port, "POST", path, LIGHTS)[0] == 404


def test_the_host_loads_no_web_framework() -> None:
    code = "import sys, gateway.hosts.agentcore; print([m for m in ('fastapi', 'starlette', 'boto3', 'strands') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
