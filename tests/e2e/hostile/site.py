"""The gateway under attack, the servers behind it, and the secrets it was given."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.hostile.wire import Reply, request, say
from tests.running import RunningGateway, running_gateway
from tests.upstream.server import FaultServer

A, B, ADMIN = "key-canary-a-7f3d", "key-canary-b-91c2", "key-canary-admin-55e0"
SECRETS: Mapping[str, str] = {
    "SITE_KEY_A": A,
    "SITE_KEY_B": B,
    "SITE_KEY_ADMIN": ADMIN,
    "SITE_GOOD_KEY": "target-canary-env-0b8a",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "aws-canary-secret-6c1e",
    "AWS_SESSION_TOKEN": "aws-canary-session-d2f4",
}
FILE_SECRET = "target-canary-file-e47b"
CANARIES = (A, B, ADMIN, FILE_SECRET, *(value for value in SECRETS.values() if "canary" in value))
SETTINGS = """
[policy]
file = "policy.json"
[aliases]
"gpt-4o" = "auto"
[[keys]]
id = "a"
tenant = "acme"
secret = "env:SITE_KEY_A"
[[keys]]
id = "b"
tenant = "bolt"
secret = "env:SITE_KEY_B"
[[keys]]
id = "operator"
tenant = "ops"
role = "admin"
secret = "env:SITE_KEY_ADMIN"
[[targets]]
name = "mec/good"
base_url = "{good}/v1"
model = "test-model"
api_key = "env:SITE_GOOD_KEY"
tools = true
json_output = true
modalities = ["text", "image"]
tasks = ["chat", "command", "classify", "extract", "summarize", "embed"]
[[targets]]
name = "mec/leaky"
base_url = "{leaky}/v1"
model = "test-model"
api_key = "file:{file}"
[[targets]]
name = "cloud/leaky"
kind = "bedrock"
endpoint_url = "{leaky}"
model = "us.amazon.nova-micro-v1:0"
region = "us-east-1"
"""
POLICY = {"name": "hostile", "breaker": {"failures": 1_000_000, "min_samples": 1_000, "error_rate": 1.0}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`trap` counts connections to an address that only a request names; nobody has a reason to go there."""

    gateway: RunningGateway
    good: FaultServer
    trap: Trap

    @property
    def port(self) -> int:
        found = urlsplit(self.gateway.url).port
        assert found is not None
        return found

    @property
    def folder(self) -> Path:
        return self.gateway.stdout.parent

    def post(self, path: str, body: Any, key: str | None = A, headers: str = "") -> Reply:
        """`body` is JSON, or the bytes themselves."""
        whole = body if isinstance(body, bytes) else json.dumps(body).encode()
        return say(self.port, request(path, whole, key, headers=headers))

    def get(self, path: str, key: str | None = A) -> Reply:
        return say(self.port, request(path, key=key, method="GET"))

    def document(self) -> dict[str, Any]:
        """The gateway's own description."""
        found: dict[str, Any] = self.get("/openapi.json", None).json
        return found


class Trap:
    """Listens and remembers what came."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(1.0)
            with connection:
                try:
                    self.seen.append(connection.recv(4096))
                except OSError:
                    self.seen.append(b"")

    def __enter__(self) -> Trap:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


class _Leaky(BaseHTTPRequestHandler):
    """A target that refuses every key and repeats it in its error, as real ones have done.

    Asked to "go to ADDRESS", it sends the gateway there instead.
    """

    def do_GET(self) -> None:
        self._answer(200, {"object": "list", "data": []})

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"]))
        if (elsewhere := re.search(rb"go to (http://[0-9.:]+)", asked)) is not None:
            self.send_response(307)
            self.send_header("location", f"{elsewhere[1].decode()}{self.path}")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        told = f"invalid key: {dict(self.headers.items())}"
        self._answer(401, {"message": told, "error": {"message": told, "type": told, "code": told}})

    def _answer(self, status: int, body: Mapping[str, Any]) -> None:
        whole = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def leaky() -> Iterator[str]:
    """The address of a running `_Leaky`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Leaky)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """Starts everything; the device tier is the shipped model."""
    with ExitStack() as stack:
        good, trap = stack.enter_context(FaultServer()), stack.enter_context(Trap())
        secret, settings = folder / "leaky-key", folder / "tierwise.toml"
        secret.write_text(f"{FILE_SECRET}\n")
        settings.write_text(SETTINGS.format(good=good.url, leaky=stack.enter_context(leaky()), file=secret))
        (folder / "policy.json").write_text(json.dumps(POLICY))
        arguments = ("--sandbox", "--config", str(settings))
        gateway = stack.enter_context(running_gateway(*arguments, folder=folder, environment=SECRETS))
        yield Site(gateway=gateway, good=good, trap=trap)
