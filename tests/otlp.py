"""An OTLP receiver over HTTP: takes traces as any collector does and shows them to a test."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSpan:
    """One span as it arrived; ids are hexadecimal, times seconds since the epoch, `failed` its error status."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    started_s: float
    ended_s: float
    attributes: dict[str, Any]
    failed: bool


@dataclass(slots=True)
class Receiver:
    """`url` takes traces. `wait` gives what arrived once `enough` says so, and fails when it never does."""

    url: str = ""
    spans: list[SeenSpan] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, enough: Callable[[list[SeenSpan]], bool], timeout_s: float = 15.0) -> list[SeenSpan]:
        with self._changed:
            arrived = self._changed.wait_for(lambda: enough(self.spans), timeout_s)
            assert arrived, f"only these spans arrived: {[span.name for span in self.spans]}"
            return list(self.spans)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += map(_seen, scope.spans)
            self._changed.notify_all()


def _seen(span: Any) -> SeenSpan:
    return SeenSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        started_s=span.start_time_unix_nano / 1e9,
        ended_s=span.end_time_unix_nano / 1e9,
        attributes={
            each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
        },
        failed=span.status.code == 2,
    )


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
