"""Traces through X-Ray's own SDK, for functions: the runtime gives the parent, its daemon takes what we send.

Thin on purpose: that SDK is in maintenance (its README: end of support 25 February 2027) and everything else traces through
OpenTelemetry. A function has no collector beside it, but a daemon it always has; when that changes, this file goes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import PROTOCOL_DELIMITER, PROTOCOL_HEADER
from aws_xray_sdk.core.models.facade_segment import FacadeSegment
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.core.models.trace_header import TraceHeader

from router_core.tracing import Attribute, Kind

RUNTIME_HEADER: Final = "_X_AMZN_TRACE_ID"
"""The variable in which the runtime leaves the trace of the invocation at hand."""
_NAMESPACES: Final[Mapping[Kind, str]] = {"internal": "local", "client": "remote"}
_THROTTLED: Final = "throttled"
# With its import the SDK opens a socket for a recorder that nobody here uses, and has no way to close it.
xray_recorder.emitter._socket.close()  # type: ignore[attr-defined]  # private, and nothing else can


class XRaySpan:
    """`Span` as a subsegment, sent by itself when it ends, so that nothing is lost with the process."""

    __slots__ = ("_daemon", "_facade", "_subsegment")

    def __init__(self, daemon: _Daemon, facade: Segment, subsegment: Subsegment) -> None:
        self._daemon, self._facade, self._subsegment = daemon, facade, subsegment

    @property
    def headers(self) -> bytes:
        """`X-Amzn-Trace-Id`."""
        sampled = int(bool(self._facade.sampled))
        value = f"Root={self._facade.trace_id};Parent={self._subsegment.id};Sampled={sampled}"
        return f"X-Amzn-Trace-Id: {value}\r\n".encode("latin-1")

    def child(self, name: str, *, kind: Kind = "internal", started_s: float | None = None) -> XRaySpan:
        """See `Span.child`."""
        return _begun(self._daemon, self._facade, self._subsegment.id, name, (_NAMESPACES[kind], started_s))

    def end(
        self,
        attributes: Mapping[str, Attribute] | None = None,
        *,
        error: str | None = None,
        ended_s: float | None = None,
    ) -> None:
        """See `Span.end`. Annotations can be searched for; their names take letters, digits and `_`."""
        for name, value in (attributes or {}).items():
            self._subsegment.put_annotation(name.replace(".", "_"), value)
        if error is not None:
            self._subsegment.put_annotation("error_type", error)
            if error == _THROTTLED:
                self._subsegment.add_throttle_flag()
            else:
                self._subsegment.add_fault_flag()
        self._subsegment.close(ended_s)
        if self._facade.sampled:
            self._daemon.send(self._subsegment.serialize())


class XRayTracing:
    """`Tracing` in a function. `daemon` is `host:port`; sending is UDP and never waits."""

    def __init__(self, daemon: str, environ: Mapping[str, str] = os.environ) -> None:
        self._daemon, self._environ = _Daemon(daemon), environ

    def begin(self, name: str, headers: Mapping[str, str]) -> XRaySpan:
        """See `Tracing.begin`. The runtime's own parent counts before the caller's: it lies between the two."""
        told = self._environ.get(RUNTIME_HEADER) or headers.get("x-amzn-trace-id", "")
        header = TraceHeader.from_header_str(told)
        facade = FacadeSegment("facade", header.parent, header.root, header.sampled == 1)
        return _begun(self._daemon, facade, header.parent, name, ("local", None))

    async def close(self) -> None:
        """Nothing is held back; the socket goes."""
        self._daemon.close()


class _Daemon:
    """A socket of our own: the SDK's cannot be closed."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._to = (host, int(port))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, document: str) -> None:
        """What cannot be taken at once is lost, as with every sender of traces."""
        with suppress(OSError):
            self._socket.sendto(f"{PROTOCOL_HEADER}{PROTOCOL_DELIMITER}{document}".encode(), self._to)

    def close(self) -> None:
        self._socket.close()


def _begun(
    daemon: _Daemon,
    facade: Segment,
    parent_id: str | None,
    name: str,
    how: tuple[str, float | None],
) -> XRaySpan:
    namespace, started_s = how
    subsegment = Subsegment(name, namespace, facade)
    subsegment.parent_id = parent_id
    if started_s is not None:
        subsegment.start_time = started_s
    return XRaySpan(daemon, facade, subsegment)
