"""A stand-in for AgentCore's memory on a real socket: the wire protocol as botocore's own service model describes it.

What comes in is checked against the model's shapes, and so is what goes out; signatures are computed again. Tokens are
remembered as the service promises (`tokens=False`: as if it had forgotten them), lists may lag behind by some events.
What it does not show: the real service's limits, latency, and for how long it remembers a token.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import boto3.session
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.validate import ParamValidator

MEMORY = "tierwise-0123456789"
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI-test")
REGION = "us-east-1"
_MODEL = botocore.session.get_session().get_service_model("bedrock-agentcore")
_LIST = re.compile(r"/memories/([^/]+)/actor/([^/]+)/sessions/([^/]+)")
_DELETE = re.compile(_LIST.pattern + r"/events/([^/]+)")
_CREATE = re.compile(r"/memories/([^/]+)/events")


class Memory:
    """The events, by actor and session. `fault` is (status, code) for every call; `lag` hides the newest events from lists."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.tokens: dict[str, str] | None = {}
        self.deleted: dict[str, dict[str, Any]] = {}
        self.fault: tuple[int, str] | None = None
        self.lag = 0
        self.calls: list[str] = []
        self._lock, self._number = threading.Lock(), 0

    def create(self, given: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            session = self.events.setdefault((given["actorId"], given["sessionId"]), {})
            token = given.get("clientToken")
            if self.tokens is not None and token in self.tokens:
                name = self.tokens[token]
                return {"event": session.get(name) or self.deleted[name]}
            self._number += 1
            name = f"{self._number:016d}#{self._number:08x}"
            kept = ("memoryId", "actorId", "sessionId", "eventTimestamp", "payload")
            event = {"eventId": name, **{field: given[field] for field in kept}}
            session[name] = event
            if self.tokens is not None and token is not None:
                self.tokens[token] = name
            return {"event": event}

    def list(self, given: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            found = list(self.events.get((given["actorId"], given["sessionId"]), {}).values())
        shown = found[: len(found) - self.lag] if self.lag else found
        begin, most = int(given.get("nextToken", 0)), given.get("maxResults", 20)
        page = {"events": list(reversed(shown))[begin : begin + most]}
        return {**page, "nextToken": str(begin + most)} if begin + most < len(shown) else page

    def delete(self, given: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            session = self.events.get((given["actorId"], given["sessionId"]), {})
            gone = session.pop(given["eventId"], None)
            if gone is not None:
                self.deleted[given["eventId"]] = gone
        return {"eventId": given["eventId"]}


class _Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@contextmanager
def connected() -> Iterator[tuple[Memory, Any]]:
    """The memory, and the SDK's own client for it."""
    with served() as (memory, url):
        client = boto3.session.Session(KEYS[0], KEYS[1], region_name=REGION).client(
            "bedrock-agentcore",
            endpoint_url=url,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=5, max_pool_connections=32),
        )
        yield memory, client
        client.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    memory: Memory


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        return

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        memory = self.server.memory
        try:
            if memory.fault is not None:
                raise _Refusal(*memory.fault)
            _check_signature(self, body)
            self._send(*_served(memory, self.command, self.path, body))
        except _Refusal as refused:
            self._send(refused.status, {"message": "refused"}, refused.code)

    def _send(self, status: int, told: dict[str, Any], code: str | None = None) -> None:
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if code is not None:
            self.send_header("x-amzn-errortype", code)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def served() -> Iterator[tuple[Memory, str]]:
    """The memory and its address."""
    memory = Memory()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.memory = memory
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield memory, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _served(memory: Memory, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    path = unquote(path)
    given: dict[str, Any] = json.loads(body) if body else {}
    routes = (
        ("DELETE", _DELETE, "DeleteEvent", ("memoryId", "actorId", "sessionId", "eventId")),
        ("POST", _CREATE, "CreateEvent", ("memoryId",)),
        ("POST", _LIST, "ListEvents", ("memoryId", "actorId", "sessionId")),
    )
    for verb, pattern, operation, names in routes:
        match = pattern.fullmatch(path)
        if verb == method and match is not None:
            given |= dict(zip(names, match.groups(), strict=True))
            return _done(memory, operation, given)
    raise _Refusal(404, "ResourceNotFoundException")


def _done(memory: Memory, operation: str, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    if given["memoryId"] != MEMORY:
        raise _Refusal(404, "ResourceNotFoundException")
    model: Any = _MODEL.operation_model(operation)
    if ParamValidator().validate(_typed(given), model.input_shape).has_errors():
        raise _Refusal(400, "ValidationException")
    memory.calls.append(operation)
    acts = {"CreateEvent": memory.create, "ListEvents": memory.list, "DeleteEvent": memory.delete}
    told = acts[operation](given)
    typed = {**told, "events": [_typed(one) for one in told["events"]]} if "events" in told else told
    typed = {**typed, "event": _typed(typed["event"])} if "event" in typed else typed
    assert not ParamValidator().validate(typed, model.output_shape).has_errors()
    return model.http["responseCode"], told


def _typed(given: dict[str, Any]) -> dict[str, Any]:
    """Numbers of the wire as the times that the model's shapes want."""
    time_s = given.get("eventTimestamp")
    return given if time_s is None else {**given, "eventTimestamp": datetime.fromtimestamp(time_s, UTC)}


def _check_signature(request: BaseHTTPRequestHandler, body: bytes) -> None:
    told = request.headers.get("authorization", "")
    date = request.headers.get("x-amz-date", "")
    signed = re.search(r"SignedHeaders=([^,]+)", told)
    if signed is None or f"/{REGION}/bedrock-agentcore/aws4_request" not in told:
        raise _Refusal(403, "AccessDeniedException")
    headers = {name: request.headers[name] for name in signed.group(1).split(";") if name != "host"}
    url = f"http://{request.headers['host']}{request.path}"
    again = AWSRequest(method=request.command, url=url, data=body, headers=headers)
    again.context["timestamp"] = date
    auth = SigV4Auth(Credentials(*KEYS), "bedrock-agentcore", REGION)
    # The signer reads the time from here; everything else is what came in.
    canonical = auth.canonical_request(again)
    wanted = auth.signature(auth.string_to_sign(again, canonical), again)
    if not told.endswith(f"Signature={wanted}"):
        raise _Refusal(403, "AccessDeniedException")
