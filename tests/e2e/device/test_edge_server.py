"""`tierwise edge serve`: an OpenAI client, our own probe of vLLM nodes and hostile bodies against the real process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest

from edge_runtime.device_model import OnnxDeviceModel
from edge_runtime.server.app import EdgeServer
from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.vllm_probe import VllmProbe
from router_core.errors import ThrottledError
from router_core.execution import ModelAnswer
from tests.e2e.device.house import SET_TIMER, TIMER

pytestmark = pytest.mark.server
START = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("boto3", "botocore", "fastapi", "strands", "torch"):
            raise ImportError(f"{name} is not part of an edge installation")
sys.meta_path.insert(0, Blocked())
from gateway.cli import main
sys.exit(main(["edge", "serve", "--port", "0"]))
"""


@pytest.fixture(scope="module")
def edge_url() -> Iterator[str]:
    """A server that could import nothing but what the edge extra brings."""
    with subprocess.Popen(
        [sys.executable, "-c", START], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        assert said.startswith("tierwise edge ready on http://"), said
        yield said.split()[-1]
        server.send_signal(signal.SIGTERM)


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def test_an_openai_client_gets_commands_whole_and_in_a_stream(edge_url: str) -> None:
    with client_of(edge_url) as client:
        (model,) = client.models.list().data
        asked: Any = {"model": model.id, "messages": [{"role": "user", "content": SET_TIMER}]}
        whole = client.chat.completions.create(**asked)
        assert json.loads(whole.choices[0].message.content or "") == {"commands": [TIMER]}
        parts = list(
            client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        )
    text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    assert text == whole.choices[0].message.content
    assert parts[-1].usage is not None
    assert parts[-1].usage.prompt_tokens > 0


def test_a_model_that_is_not_sure_says_so_where_openai_says_it(edge_url: str) -> None:
    with client_of(edge_url) as client:
        answer = client.chat.completions.create(
            model="intent-v1", messages=[{"role": "user", "content": "what do you think of the sea"}]
        )
    assert answer.choices[0].message.content is None
    assert answer.choices[0].message.refusal


def test_vectors_are_those_of_the_model(edge_url: str) -> None:
    with client_of(edge_url) as client:
        rows = client.embeddings.create(
            model="intent-v1", input=["lamp", "light"], encoding_format="float"
        ).data
        packed = client.embeddings.create(model="intent-v1", input="lamp").data  # base64 unless it is told
    assert packed[0].embedding == pytest.approx(rows[0].embedding, abs=1e-6)
    assert [len(row.embedding) for row in rows] == [384, 384]
    assert sum(x * x for x in rows[0].embedding) == pytest.approx(1.0, abs=1e-3)


async def test_the_probe_of_vllm_nodes_reads_it(edge_url: str) -> None:
    pool = HttpPool(edge_url + "/v1")
    reading = await VllmProbe(pool, model="intent-v1", api_key=None).probe()
    await pool.aclose()
    assert reading.up
    assert (reading.running, reading.waiting) == (0, 0)
    assert (reading.requests_total or 0) > 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 100_000, 400),
        (b"[]", 400),
        (b'{"messages": []}', 400),
        (b'{"messages": [{"role": "user", "content": {"a": 1}}]}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}], "tools": [{}]}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}], "model": "gpt-4o"}', 404),
        (b'"' + b"x" * 2_000_000 + b'"', 413),
    ],
)
def test_a_body_that_is_not_right_is_the_callers_fault(edge_url: str, body: bytes, status: int) -> None:
    connection = http.client.HTTPConnection(edge_url.removeprefix("http://"))
    with closing(connection):
        connection.request("POST", "/v1/chat/completions", body)
        answer = connection.getresponse()
        assert answer.status == status
        assert json.loads(answer.read())["error"]["code"] == status


class Full:
    async def generate(self, call: object) -> ModelAnswer:
        raise ThrottledError("full")

    stream: Any = OnnxDeviceModel.stream
    embed: Any = OnnxDeviceModel.embed


async def called(app: EdgeServer, path: str, body: bytes, key: str = "") -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of one POST, without a socket."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {key}".encode())]
    await app({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


async def test_a_full_queue_is_told_at_once_and_counted() -> None:
    app = EdgeServer(Full(), "m")
    body = b'{"messages": [{"role": "user", "content": "x"}]}'
    status, headers = await called(app, "/v1/chat/completions", body)
    assert (status, headers[b"retry-after"]) == (429, b"1")
    assert 'vllm:admission_rejections_total{model_name="m",reason="capacity"} 1' in app.figures.text("m")


async def test_a_key_opens_v1_alone() -> None:
    app = EdgeServer(Full(), "m", key="k")
    assert (await called(app, "/v1/chat/completions", b"{}"))[0] == 401
    assert (await called(app, "/v1/chat/completions", b"{}", key="k"))[0] == 400


def test_a_key_signs_a_folder_and_the_library_takes_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway"]
    secret = tmp_path / "key"
    made = subprocess.run(
        [*command, "edge", "key", str(secret), "--json"], capture_output=True, text=True, check=True
    )
    assert secret.stat().st_mode & 0o077 == 0
    assert len(json.loads(made.stdout)["public"]) == 44
    checked = subprocess.run(
        [*command, "models", "verify", "intent-v1", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(checked.stdout)["name"] == "intent-v1"
