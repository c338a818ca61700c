"""A stand-in for AWS services with the JSON protocol, for operations that moto lacks: both directions are validated
against botocore's own shapes, so that neither our calls nor its answers can be of a form that AWS does not know."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

SERVICES = ("comprehend", "textract", "service-quotas", "pricing")
Answer = Mapping[str, Any] | Exception
Play = Callable[[Mapping[str, Any]], Answer]
"""Answers an operation from its parameters, or with an error to be sent."""


class ServiceError(Exception):
    """An error that the stand-in sends: AWS's code and the status."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


@dataclass
class StandIn:
    """`plays` by operation; `calls` are what arrived, in order, `wrong` what no AWS would have taken or said."""

    url: str
    plays: dict[str, Play] = field(default_factory=dict)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def asked(self, operation: str) -> list[Mapping[str, Any]]:
        return [given for name, given in self.calls if name == operation]


@contextmanager
def standing_in() -> Iterator[StandIn]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler())
    stand_in = StandIn(url=f"http://127.0.0.1:{server.server_address[1]}")
    server.stand_in = stand_in  # type: ignore[attr-defined]  # the handler has no other way to it
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert stand_in.wrong == []


def _operations() -> dict[str, OperationModel]:
    session, found = botocore.session.get_session(), {}
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            found[f"{model.metadata['targetPrefix']}.{name}"] = model.operation_model(name)
    return found


def _handler() -> type[BaseHTTPRequestHandler]:
    operations = _operations()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            stand_in: StandIn = self.server.stand_in  # type: ignore[attr-defined]  # see above
            body = self.rfile.read(int(self.headers["content-length"]))
            stand_in.raw.append(body)
            operation = operations.get(self.headers.get("x-amz-target", ""))
            if operation is None or "AWS4-HMAC-SHA256" not in self.headers.get("authorization", ""):
                stand_in.wrong.append(f"unknown or unsigned: {self.headers.get('x-amz-target')}")
                return self._send(400, {"__type": "UnknownOperationException"})
            given = _decoded(json.loads(body), operation.input_shape)
            _check(stand_in, given, operation.input_shape)
            stand_in.calls.append((operation.name, given))
            answer = stand_in.plays[operation.name](given)
            if isinstance(answer, ServiceError):
                return self._send(answer.status, {"__type": answer.code, "message": "said by the stand-in"})
            assert isinstance(answer, Mapping)
            _check(stand_in, answer, operation.output_shape)
            return self._send(200, answer)

        def _send(self, status: int, answer: Mapping[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.1")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            return None

    return Handler


def _check(stand_in: StandIn, value: Mapping[str, Any], shape: Shape | None) -> None:
    assert shape is not None
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        stand_in.wrong.append(report.generate_report())


def _decoded(value: Any, shape: Any) -> Any:
    """As the service reads it: blobs travel in base64."""
    if shape.type_name == "blob":
        return base64.b64decode(value)
    if shape.type_name == "structure":
        return {name: _decoded(item, shape.members[name]) for name, item in value.items()}
    return value
