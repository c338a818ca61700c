"""A language model that the user brings: behind `tierwise edge serve`, and as a gateway's device target."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.running import running_gateway
from tests.tiny_llama import build

pytestmark = pytest.mark.server
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "turn off the lights"}], "temperature": 0}
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["answer"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "gateway", "edge", "serve", "--port", "0", "--model", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        assert said.startswith("tierwise edge ready on http://"), said
        yield said.split()[-1]
        server.send_signal(signal.SIGTERM)


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def figure(url: str, name: str) -> float:
    lines = httpx2.get(f"{url}/metrics", trust_env=False).text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{"))


def test_an_openai_client_reads_tokens_as_they_come(url: str) -> None:
    with client_of(url) as client:
        whole = client.chat.completions.create(model="tiny-llama", max_tokens=16, **ASK)
        assert (whole.choices[0].finish_reason, whole.usage and whole.usage.completion_tokens) == (
            "length",
            16,
        )
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        parts = list(client.chat.completions.create(model="tiny-llama", max_tokens=16, **ASK, **options))
    pieces = [part.choices[0].delta.content or "" for part in parts if part.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert sum(1 for piece in pieces if piece) > 3
    assert [p.choices[0].finish_reason for p in parts if p.choices and p.choices[0].finish_reason] == [
        "length"
    ]
    assert parts[-1].usage == whole.usage


def test_an_answer_keeps_to_the_schema(url: str) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    with client_of(url) as client:
        answer = client.chat.completions.create(
            model="tiny-llama", max_tokens=40, response_format=form, **ASK
        )
    assert json.loads(answer.choices[0].message.content or "")["answer"] in ("yes", "no")


def test_who_leaves_a_stream_leaves_room(url: str) -> None:
    body = {"model": "tiny-llama", "stream": True, "max_tokens": 450, **ASK}
    with (
        httpx2.Client(trust_env=False) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body) as reply,
    ):
        next(reply.iter_bytes())
    deadline = time.monotonic() + 10.0
    while figure(url, "vllm:num_requests_running") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert figure(url, "vllm:num_requests_running") == 0


@pytest.mark.parametrize("body", [{"max_tokens": 0}, {"max_tokens": True}, {"temperature": 3}, {"top_p": "x"},
                                  {"stop": [""]}, {"stop": ["x"] * 5}, {"response_format": []}])  # fmt: skip
def test_parameters_out_of_range_are_the_callers_fault(url: str, body: dict[str, Any]) -> None:
    answer = httpx2.post(f"{url}/v1/chat/completions", json={**ASK, **body}, trust_env=False)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == 400


def test_a_gateway_runs_it_as_a_device_target(folder: Path, tmp_path: Path) -> None:
    settings = tmp_path / "tierwise.toml"
    settings.write_text(
        f'[[targets]]\nname = "device/tiny"\nkind = "onnx"\nmodel = "tiny-llama"\npath = "{folder}"\n'
        'tasks = ["chat"]\ncontext_tokens = 512\n'
    )
    with running_gateway("--config", str(settings), folder=tmp_path) as gateway:
        headers = {"authorization": f"Bearer {gateway.key}"}
        with httpx2.Client(base_url=gateway.url, headers=headers, timeout=20.0, trust_env=False) as client:
            answer = client.post(
                "/inference", json={"input": "tell me a story", "params": {"max_tokens": 8, "temperature": 0}}
            )
            assert answer.status_code == 200, answer.text
            assert answer.json()["routing"]["target"] == "device/tiny"
            assert answer.json()["usage"]["completion_tokens"] == 8
            streamed = client.post(
                "/inference",
                json={
                    "input": "tell me a story",
                    "stream": True,
                    "params": {"max_tokens": 8, "temperature": 0},
                },
            )
            assert streamed.text.count("event: delta") > 2 and "event: done" in streamed.text
