"""One trace from the caller through every stage to the tier, at a real collector's protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.otlp import Receiver, SeenSpan, otlp_receiver
from tests.running import RunningGateway, running_gateway
from tests.upstream.faults import Fault
from tests.upstream.server import FaultServer

SERVER, INTERNAL, CLIENT = 2, 1, 3
SENT = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
STAGES = ("tierwise.context", "tierwise.resource", "tierwise.decision")
CANARY = "canary-of-the-prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    gateway: RunningGateway
    upstream: FaultServer
    receiver: Receiver

    def ask(self, path: str = "/inference", headers: dict[str, str] | None = None, **body: Any) -> Any:
        given = {"input": CANARY, "privacy": {"level": "internal"}, **body}
        with httpx2.Client(base_url=self.gateway.url, trust_env=False, timeout=15.0) as client:
            answer = client.post(path, json=given, headers={**self.gateway.headers, **(headers or {})})
        return answer

    def trace_of(self, answer: Any) -> dict[str, list[SeenSpan]]:
        """The spans of an answer's trace by their parent's id, once its root is there."""
        wanted = answer.headers["x-tierwise-request-id"]

        def root(spans: list[SeenSpan]) -> SeenSpan | None:
            named = (span for span in spans if span.attributes.get("tierwise.request_id") == wanted)
            return next(named, None)

        spans = self.receiver.wait(lambda seen: root(seen) is not None)
        found = root(spans)
        assert found is not None
        children: dict[str, list[SeenSpan]] = {"root": [found]}
        for span in sorted(spans, key=lambda each: each.started_s):
            if span.trace_id == found.trace_id and span is not found:
                children.setdefault(span.parent_id, []).append(span)
        return children


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("tracing")
    with otlp_receiver() as receiver, FaultServer() as upstream:
        targets = [
            {"name": f"mec/{name}", "kind": "openai", "base_url": upstream.base_url, "model": "test-model",
             "region": "eu-central-1", "continues": True}
            for name in ("a", "b")
        ]  # fmt: skip
        environment = {
            "TIERWISE_TRACING__OTLP": receiver.url,
            "TIERWISE_TARGETS": json.dumps(targets),
            "TIERWISE_POLICY__FILE": str(_policy(folder)),
        }
        with running_gateway(folder=folder, environment=environment) as gateway:
            yield House(gateway=gateway, upstream=upstream, receiver=receiver)


def _policy(folder: Path) -> Path:
    file = folder / "policy.json"
    file.write_text(json.dumps({"name": "traced", "retry": {"attempts_per_target": 1}}))
    return file


def test_a_request_is_one_trace_through_all_stages_to_the_tier(house: House) -> None:
    answer = house.ask(headers={"traceparent": f"00-{SENT}-{PARENT}-01"})
    assert answer.status_code == 200
    spans = house.trace_of(answer)
    (root,) = spans["root"]
    assert (root.name, root.kind, root.trace_id, root.parent_id) == ("POST /inference", SERVER, SENT, PARENT)
    assert root.attributes["http.response.status_code"] == 200
    children = {span.name: span for span in spans[root.span_id]}
    assert set(children) == {*STAGES, "chat test-model"}
    attempt = children["chat test-model"]
    assert attempt.kind == CLIENT
    assert attempt.attributes["tierwise.target"] == answer.json()["routing"]["target"]
    assert attempt.attributes["gen_ai.usage.output_tokens"] == answer.json()["usage"]["completion_tokens"]
    assert root.started_s <= attempt.started_s <= attempt.ended_s <= root.ended_s
    received = house.upstream.requests[-1].headers
    assert received["traceparent"] == f"00-{SENT}-{attempt.span_id}-01"
    assert received["x-amzn-trace-id"].startswith(f"Root=1-{SENT[:8]}-{SENT[8:]};Parent={attempt.span_id}")


def test_x_rays_header_is_joined_too(house: House) -> None:
    header = f"Root=1-{SENT[:8]}-{SENT[8:]};Parent={PARENT};Sampled=1"
    (root,) = house.trace_of(house.ask(headers={"x-amzn-trace-id": header}))["root"]
    assert (root.trace_id, root.parent_id) == (SENT, PARENT)


def test_every_attempt_of_a_fallback_is_a_span_of_its_own(house: House) -> None:
    house.upstream.next(Fault(kind="status", status=429, retry_after="1"))
    answer = house.ask()
    spans = house.trace_of(answer)
    (root,) = spans["root"]
    attempts = [span for span in spans[root.span_id] if span.kind == CLIENT]
    assert [span.attributes["tierwise.target"] for span in attempts] == [
        attempt["target"] for attempt in answer.json()["attempts"]
    ]
    assert [(span.failed, span.attributes.get("error.type")) for span in attempts] == [
        (True, "throttled"),
        (False, None),
    ]


def test_a_stream_is_traced_to_its_end(house: House) -> None:
    answer = house.ask(stream=True)
    assert "event: done" in answer.text
    spans = house.trace_of(answer)
    (root,) = spans["root"]
    (attempt,) = [span for span in spans[root.span_id] if span.kind == CLIENT]
    assert attempt.attributes["gen_ai.server.time_to_first_token"] > 0.0
    assert attempt.ended_s <= root.ended_s
    assert {span.name for span in spans[root.span_id]} > set(STAGES)


def test_a_failure_marks_the_trace(house: House) -> None:
    for _ in range(2):
        house.upstream.next(Fault(kind="status", status=500))
    answer = house.ask()
    assert answer.status_code == 502
    (root,) = house.trace_of(answer)["root"]
    assert root.failed
    assert root.attributes["http.response.status_code"] == 502


def test_no_text_and_no_invented_path_reaches_a_span(house: House) -> None:
    house.trace_of(house.ask(path=f"/inference/{CANARY}/feedback", score=1.0))
    house.trace_of(house.ask(path=f"/{CANARY}"))
    told = repr(house.receiver.spans)
    assert CANARY not in told
    assert house.gateway.key not in told
    names = {span.name for span in house.receiver.spans if span.kind == SERVER}
    assert {"POST /inference/{id}/feedback", "POST other"} <= names


def test_operations_are_not_traced(house: House) -> None:
    httpx2.get(f"{house.gateway.url}/health/liveness", trust_env=False)
    house.trace_of(house.ask())
    assert not [span for span in house.receiver.spans if "health" in span.name]
