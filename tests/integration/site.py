"""A running gateway over real vLLM nodes, as its callers and its operator use it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import openai

from tests.integration import counting
from tests.integration.vllm_node import VllmNode
from tests.running import RunningGateway

TARGETS = ("mec/edge-a", "mec/edge-b")
WAIT_S = 60.0
# How long a stream may be silent before its node counts as lost: short, so that a hanging node does not hold up the suite,
# and long beside a token (5 ms) even on a busy machine.
STREAM_IDLE_MS = 5_000
_POLL_S = 0.1
_TARGET = """
[[targets]]
name = "{name}"
kind = "openai"
base_url = "{url}/v1"
model = "{model}"
api_key = "env:EDGE_KEY"
context_tokens = {context}
max_output_tokens = {last}
continues = true
"""


def write_settings(folder: Path, nodes: Mapping[str, VllmNode]) -> None:
    """`tierwise.toml` with the nodes as its only targets, and a policy that differs from the default in one limit."""
    targets = [
        _TARGET.format(
            name=name,
            url=node.url,
            model=counting.SERVED_NAME,
            context=counting.CONTEXT_TOKENS,
            last=counting.LAST,
        )
        for name, node in nodes.items()
    ]
    (folder / "tierwise.toml").write_text('[policy]\nfile = "policy.json"\n' + "".join(targets))
    policy = {
        "schema": "tierwise.policy/1",
        "name": "integration",
        "limits": {"stream_idle_ms": STREAM_IDLE_MS},
    }
    (folder / "policy.json").write_text(json.dumps(policy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event of `/inference`."""

    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The gateway and the nodes behind it, by target name."""

    gateway: RunningGateway
    nodes: Mapping[str, VllmNode]

    def post(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        """One request to the gateway, with the admin key."""
        return httpx2.post(
            self.gateway.url + path, json=body, headers=self.gateway.headers, timeout=WAIT_S, trust_env=False
        )

    def ask(self, target: str | None = None, **params: Any) -> httpx2.Response:
        """One whole answer by `/inference`."""
        return self.post("/inference", _question(target, params))

    @contextmanager
    def streaming(self, target: str | None = None, **params: Any) -> Iterator[Iterator[Event]]:
        """The events of one streamed answer by `/inference`, as they come."""
        with httpx2.stream(
            "POST",
            self.gateway.url + "/inference",
            json={**_question(target, params), "stream": True},
            headers=self.gateway.headers,
            timeout=WAIT_S,
            trust_env=False,
        ) as answer:
            assert answer.status_code == 200, answer.read()
            yield _events(answer)

    @contextmanager
    def client(self) -> Iterator[openai.OpenAI]:
        """The OpenAI client on the gateway; it does not retry, so that every failure is seen. Closed behind the block,
        as a stream that ends in an error leaves its connection open."""
        with openai.OpenAI(
            base_url=f"{self.gateway.url}/v1",
            api_key=self.gateway.key,
            max_retries=0,
            timeout=WAIT_S,
            http_client=openai.DefaultHttpxClient(trust_env=False),
        ) as client:
            yield client

    def target(self, name: str) -> dict[str, Any]:
        """A target as the operator sees it now."""
        answer = httpx2.get(
            f"{self.gateway.url}/admin/targets", headers=self.gateway.headers, timeout=WAIT_S, trust_env=False
        )
        return next(dict(target) for target in answer.json()["targets"] if target["name"] == name)

    def health(self, name: str) -> str:
        """up, down, unknown or draining."""
        return str(self.target(name)["health"])

    def drain(self, name: str, draining: bool) -> None:
        """Takes a target out of service, or back in."""
        answer = self.post(f"/admin/targets/{quote(name)}/drain", {"draining": draining})
        assert answer.status_code == 200, answer.text

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Returns when it holds. Raises AssertionError when it doesn't within WAIT_S."""
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline, f"not within {WAIT_S:g} s: {what}"
            time.sleep(_POLL_S)


def _question(target: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """The question. With a target: that one first, and the others after it. A temperature above zero keeps the response
    cache out of the way; the answer is the same text."""
    return {
        "messages": [{"role": "user", "content": counting.QUESTION}],
        "task": "chat",
        "params": {"temperature": 0.5, **params},
        "preferences": {"target": target, "fallback": True},
    }


def _events(answer: httpx2.Response) -> Iterator[Event]:
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield Event(name=name, data=json.loads(line.removeprefix("data: ")))
