"""Traces through OpenTelemetry: OTLP over HTTP out, W3C and X-Ray headers in and out.

Trace ids begin with the time, as X-Ray asks, so that the same trace can be kept there; every other backend takes
them as they are. Spans are handed to the SDK's batch processor, whose thread alone speaks to the collector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.aws.aws_xray_propagator import TRACE_HEADER_KEY
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.extension.aws.trace import AwsXRayIdGenerator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from router_core.adapters.wire.http_wire import encode_headers
from router_core.tracing import Attribute, Kind

# The last one to find its header wins: a trace that began at API Gateway has both, and X-Ray's is the nearer.
_HEADERS: Final = CompositePropagator([TraceContextTextMapPropagator(), AwsXRayPropagator()])
_KINDS: Final = {"internal": trace.SpanKind.INTERNAL, "client": trace.SpanKind.CLIENT}
_X_RAY: Final = "x-amzn-trace-id"
_CLOSE_MS: Final = 3000
_EXPORT_S: Final = 5.0


class OtelSpan:
    """`Span` over one of the SDK's."""

    __slots__ = ("_context", "_span", "_tracer")

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer, self._span = tracer, span
        self._context = trace.set_span_in_context(span, Context())

    @property
    def headers(self) -> bytes:
        """`traceparent` and `X-Amzn-Trace-Id`."""
        carrier: dict[str, str] = {}
        _HEADERS.inject(carrier, self._context)
        return encode_headers(carrier)

    def child(self, name: str, *, kind: Kind = "internal", started_s: float | None = None) -> OtelSpan:
        """See `Span.child`."""
        started = self._tracer.start_span(
            name, self._context, _KINDS[kind], start_time=_nanoseconds(started_s)
        )
        return OtelSpan(self._tracer, started)

    def end(
        self,
        attributes: Mapping[str, Attribute] | None = None,
        *,
        error: str | None = None,
        ended_s: float | None = None,
    ) -> None:
        """See `Span.end`."""
        if attributes:
            self._span.set_attributes(attributes)
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end(_nanoseconds(ended_s))


class OtelTracing:
    """`Tracing` by an SDK provider of our own: the process-wide one stays untouched."""

    def __init__(self, exporter: SpanExporter, *, service: str, version: str, sample: float) -> None:
        """`sample` is the share of traces to keep when the sender did not decide."""
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample)),
            resource=Resource({"service.name": service, "service.version": version}),
            id_generator=AwsXRayIdGenerator(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("tierwise")

    def begin(self, name: str, headers: Mapping[str, str]) -> OtelSpan:
        """See `Tracing.begin`. Headers that make no sense begin a trace of our own."""
        # X-Ray's propagator knows its header in one spelling only.
        carrier = {TRACE_HEADER_KEY if name == _X_RAY else name: value for name, value in headers.items()}
        context = _HEADERS.extract(carrier, Context())
        return OtelSpan(self._tracer, self._tracer.start_span(name, context, trace.SpanKind.SERVER))

    async def close(self) -> None:
        """Send what is held, a few seconds at most."""
        await asyncio.to_thread(self._provider.force_flush, _CLOSE_MS)
        await asyncio.to_thread(self._provider.shutdown)


def otlp_exporter(url: str) -> SpanExporter:
    """Over HTTP to `url`, such as `http://127.0.0.1:4318/v1/traces`."""
    return OTLPSpanExporter(endpoint=url, timeout=_EXPORT_S)


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e9)
