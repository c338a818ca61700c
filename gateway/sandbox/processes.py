"""Starts the stand-ins as one child process and stops them again.

A process of their own keeps their work off the gateway's event loop, so that what is measured is the gateway.
The child holds no state worth saving: it leaves when the pipe from its parent closes, however the parent ended.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

READY_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 3.0


class StandInsNotStartedError(RuntimeError):
    """The child ended, or did not report its ports in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """The running stand-ins: where they listen and what opens them. Credentials are random per start."""

    bedrock_url: str
    mec_urls: tuple[str, ...]
    access_key_id: str
    secret_access_key: str = field(repr=False)
    mec_api_key: str = field(repr=False)
    control_token: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        """End the child; returns when it is gone. Safe to call twice."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def script(self, url: str, document: dict[str, Any]) -> None:
        """Send `{"reset", "steps", "watch"}` to the stand-in at `url`. Raises `OSError` when it refuses."""
        self._control(url, "/_sandbox/script", json.dumps(document).encode())

    def seen(self, url: str) -> dict[str, Any]:
        """What the stand-in at `url` has received so far: totals, and the last bodies."""
        return dict(self._control(url, "/_sandbox/seen", None))

    def _control(self, url: str, path: str, body: bytes | None) -> Any:
        headers = {"x-sandbox-token": self.control_token, "content-type": "application/json"}
        request = urllib.request.Request(url + path, data=body, headers=headers)  # noqa: S310 (own loopback address)
        # A proxy from the environment must not see loopback traffic.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return json.loads(answer.read())


def start_standins(
    *, mec_nodes: int = 1, pace: float = 1.0, mec_models: tuple[str, ...] = (), mec_slots: int = 8
) -> StandIns:
    """Start a Bedrock stand-in and `mec_nodes` MEC stand-ins on free loopback ports.

    `pace` scales every wait of theirs (0: none); `mec_models` are the chat models each node serves (empty: the
    default of `MecOptions`). Blocks until they listen, usually well under a second.
    Raises `StandInsNotStartedError`.
    """
    command = [sys.executable, "-m", "gateway.sandbox", "--with-parent", "--bedrock-port", "0"]
    command += ["--pace", str(pace), "--mec-slots", str(mec_slots)]
    command += ["--mec-port", "0"] * mec_nodes
    command += [part for model in mec_models for part in ("--mec-model", model)]
    process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A Ctrl-C at the terminal is for the parent: it drains first and ends the child afterwards.
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        ready = json.loads(_first_line(process))
    except (StandInsNotStartedError, ValueError) as error:
        process.kill()
        process.communicate()
        raise StandInsNotStartedError(f"the stand-ins did not start: {error}") from error
    return StandIns(
        bedrock_url=f"http://127.0.0.1:{ready['bedrock_port']}",
        mec_urls=tuple(f"http://127.0.0.1:{port}" for port in ready["mec_ports"]),
        access_key_id=ready["access_key_id"],
        secret_access_key=ready["secret_access_key"],
        mec_api_key=ready["mec_api_key"],
        control_token=ready["control_token"],
        process=process,
    )


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    if process.stdout is None:
        raise StandInsNotStartedError("no pipe to the child")
    deadline = time.monotonic() + READY_TIMEOUT_S
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(deadline - time.monotonic()):
                raise StandInsNotStartedError("no ready line in time")
            part = os.read(process.stdout.fileno(), 4_096)
            if not part:
                raise StandInsNotStartedError(f"the child ended with status {process.wait()}")
            line += part
    return line
