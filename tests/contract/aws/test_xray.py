"""Spans of a function go to the daemon's port as X-Ray's SDK writes them, and X-Ray gives them back as one trace."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from router_core.adapters.aws.xray_tracing import RUNTIME_HEADER, XRayTracing
from tests.localmoto import Clients
from tests.xray_daemon import Daemon, running_daemon


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running_daemon() as running:
        yield running


@contextmanager
def tracing(daemon: Daemon, environ: Mapping[str, str]) -> Iterator[XRayTracing]:
    made = XRayTracing(daemon.address, environ)
    try:
        yield made
    finally:
        asyncio.run(made.close())


def _root() -> str:
    return f"1-{int(time.time()):08x}-{'a1' * 12}"


def _runtime(root: str, sampled: int = 1) -> dict[str, str]:
    return {RUNTIME_HEADER: f"Root={root};Parent={'b2' * 8};Sampled={sampled}"}


def test_a_function_s_spans_are_one_trace_in_x_ray(daemon: Daemon, aws: Clients) -> None:
    root = _root()
    with tracing(daemon, _runtime(root)) as made:
        request = made.begin("POST /inference", {})
        stage = request.child("tierwise.decision", started_s=time.time() - 0.001)
        stage.end({"tierwise.tier": "cloud"})
        attempt = request.child("chat nova-lite", kind="client")
        sent_along = attempt.headers.decode()
        attempt.end({"gen_ai.usage.output_tokens": 7}, error="throttled")
        request.end({"http.response.status_code": 502}, error="502")

    documents = daemon.documents(3)
    xray = aws("xray")
    refused = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(each) for each in documents])
    assert refused["UnprocessedTraceSegments"] == []
    (trace,) = xray.batch_get_traces(TraceIds=[root])["Traces"]
    read = {each["name"]: each for each in (json.loads(s["Document"]) for s in trace["Segments"])}
    assert set(read) == {"POST /inference", "tierwise.decision", "chat nova-lite"}
    outer = read["POST /inference"]
    assert outer["parent_id"] == "b2" * 8
    assert outer["fault"] is True
    assert {read[name]["parent_id"] for name in ("tierwise.decision", "chat nova-lite")} == {outer["id"]}
    assert read["tierwise.decision"]["annotations"] == {"tierwise_tier": "cloud"}
    assert read["chat nova-lite"]["throttle"] is True
    assert sent_along == f"X-Amzn-Trace-Id: Root={root};Parent={read['chat nova-lite']['id']};Sampled=1\r\n"


def test_what_is_not_sampled_is_not_sent_and_says_so(daemon: Daemon) -> None:
    with tracing(daemon, _runtime(_root(), sampled=0)) as made:
        span = made.begin("POST /inference", {})
        assert span.headers.endswith(b"Sampled=0\r\n")
        span.child("tierwise.context").end()
        span.end()
    assert daemon.silent()


def test_without_the_runtime_the_caller_s_header_counts(daemon: Daemon) -> None:
    root = _root()
    header = f"Root={root};Parent={'c3' * 8};Sampled=1"
    with tracing(daemon, {}) as made:
        made.begin("POST /inference", {"x-amzn-trace-id": header}).end()
    (document,) = daemon.documents(1)
    assert (document["trace_id"], document["parent_id"]) == (root, "c3" * 8)


@pytest.mark.parametrize("header", ["", "Root", "Root=;Parent=;Sampled=1", "\x00", "Root=1-x;Sampled=?"])
def test_a_header_without_sense_never_hurts(daemon: Daemon, header: str) -> None:
    with tracing(daemon, {}) as made:
        span = made.begin("POST /inference", {"x-amzn-trace-id": header})
        span.child("tierwise.context").end()
        span.end()
