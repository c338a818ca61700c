"""The demo's stage: a gateway as users start it, in front of stand-ins whose trouble is real.

The edge node and the cloud endpoint are two processes, so that one can be killed without the other. The gateway is
configured by variables alone and marks their answers as emulated.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.cli.client import Client
from gateway.composition.sandbox import DEVICE, MEC_MODEL, Access, sandbox_targets
from gateway.sandbox.processes import StandIns, start_standins
from gateway.settings.secrets import Secret
from router_core.errors import TierwiseError

READY_S: Final = 30.0
SEEN_S: Final = 10.0
STOP_S: Final = 15.0
EDGE_SLOTS: Final = 4
QUEUED: Final = 8
_POLL_S: Final = 0.1


class DemoError(TierwiseError):
    """The stage could not be set; the message says what did not happen."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """A running gateway, and the levers behind it."""

    client: Client
    edge: StandIns
    cloud: StandIns
    _held: list[http.client.HTTPConnection] = field(default_factory=list)

    def target(self, name: str) -> dict[str, Any]:
        """One target as an operator sees it now."""
        answer = self.client.call("GET", "/admin/targets")
        found = answer["targets"] if isinstance(answer, dict) else answer
        return next(dict(target) for target in found if target["name"] == name)

    def fill_edge(self) -> None:
        """Really occupy the edge node: slow requests in every slot and more in its queue."""
        url = self.edge.mec_urls[0]
        self.edge.script(url, {"steps": {MEC_MODEL: [{"ttft_ms": 60_000, "repeat": EDGE_SLOTS + QUEUED}]}})
        for _ in range(EDGE_SLOTS + QUEUED):
            self._held.append(_occupy(url, self.edge.mec_api_key))
        self.until("the edge node to be busy", lambda: self.target("mec/edge-sim")["saturation"] >= 1.0)

    def free_edge(self) -> None:
        """Let the edge node go."""
        for connection in self._held:
            connection.close()
        self._held.clear()
        self.edge.script(self.edge.mec_urls[0], {"reset": True})
        self.until("the edge node to be free", lambda: self.target("mec/edge-sim")["saturation"] < 1.0)

    def stop_edge(self) -> None:
        """End the edge node's process, so that its port refuses."""
        self.edge.stop()
        self.until("the edge node to be seen down", lambda: self.target("mec/edge-sim")["health"] == "down")

    def throttle_cloud(self, on: bool) -> None:
        """Make the cloud endpoint answer every request with ThrottlingException, or stop it."""
        document: dict[str, Any] = {"reset": True}
        if on:
            document["steps"] = {
                "*": [{"error": "ThrottlingException", "message": "Too many requests", "repeat": 0}]
            }
        self.cloud.script(self.cloud.bedrock_url, document)

    def until(self, what: str, seen: Callable[[], bool]) -> None:
        """Wait for the gateway to notice. Raises `DemoError`."""
        deadline = time.monotonic() + SEEN_S
        while not seen():
            if time.monotonic() > deadline:
                raise DemoError(f"waited {SEEN_S:g} s for {what} in vain")
            time.sleep(_POLL_S)


@contextmanager
def stage(folder: Path, *, pace: float) -> Iterator[Stage]:
    """Start everything, and end it again however the play ends."""
    with ExitStack() as stack:
        edge = start_standins(mec_nodes=1, mec_models=(MEC_MODEL,), mec_slots=EDGE_SLOTS, pace=pace)
        stack.callback(edge.stop)
        cloud = start_standins(mec_nodes=0, pace=pace)
        stack.callback(cloud.stop)
        client = stack.enter_context(_gateway(folder, _variables(edge, cloud)))
        yield Stage(client=client, edge=edge, cloud=cloud)


def _variables(edge: StandIns, cloud: StandIns) -> dict[str, str]:
    added = sandbox_targets(("mec", "cloud"), Access(mec_url=edge.mec_urls[0], bedrock_url=cloud.bedrock_url))
    shown = (
        "name",
        "kind",
        "model",
        "base_url",
        "endpoint_url",
        "region",
        "lat",
        "lon",
        "context_tokens",
        "emulated",
    )
    targets: list[dict[str, Any]] = [
        {key: value for key in (*shown, "tasks") if (value := getattr(target, key)) not in (None, ())}
        for target in (*DEVICE, *added)
    ]
    for target in targets:
        if target["kind"] == "openai":
            target["api_key"] = "env:DEMO_EDGE_KEY"
    return {
        "TIERWISE_TARGETS": json.dumps(targets),
        "DEMO_EDGE_KEY": edge.mec_api_key,
        "AWS_ACCESS_KEY_ID": cloud.access_key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_access_key,
        # Nothing of this machine's own account may be looked at.
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def _gateway(folder: Path, variables: Mapping[str, str]) -> Iterator[Client]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIERWISE_", "AWS_"))}
    path = os.pathsep.join(filter(None, sys.path))
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(  # our own interpreter and module
            [sys.executable, "-m", "gateway", "serve", "--port", "0", "--json"],
            cwd=folder,
            env={**kept, "PYTHONPATH": path, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            # Ctrl-C at the terminal is for the demo, which then ends the gateway in order.
            start_new_session=True,
        )
    try:
        yield _client(process, folder / "gateway.log")
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _client(process: subprocess.Popen[bytes], log: Path) -> Client:
    line = process.stdout.readline() if process.stdout is not None else b""
    try:
        ready = json.loads(line)
    except ValueError:
        raise DemoError(f"the gateway did not start: {log.read_text(errors='replace')[-2000:]}") from None
    return Client(url=ready["ready"], key=Secret(ready["key"], "demo"), timeout_s=READY_S)


def _occupy(url: str, key: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SEEN_S)
    body = json.dumps({"model": MEC_MODEL, "stream": True, "messages": [{"role": "user", "content": "hold"}]})
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    return connection
