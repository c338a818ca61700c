"""Starts the real `tierwise serve` as its users do, and reads from stdout what it promises to print there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_S = 20.0
STOP_S = 15.0
_POLL_S = 0.05
_READY = re.compile(r"^tierwise ready on (http://\S+)\n(?:.*\n)*?key: (\S+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningGateway:
    """A started server: where it listens, an admin key, its process and what it has said so far."""

    url: str
    key: str
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    @property
    def headers(self) -> dict[str, str]:
        """The authorisation header of the printed key."""
        return {"authorization": f"Bearer {self.key}"}


@contextmanager
def running_gateway(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[RunningGateway]:
    """`tierwise serve ARGUMENTS --port 0` in `folder`, which also takes its output and its records.

    Raises AssertionError with the end of its stderr when it isn't ready within READY_S, when it ends by itself, or when
    SIGTERM does not stop it within STOP_S. Nothing of the caller's own configuration reaches it, only `environment`.
    """
    stdout, stderr = folder / "stdout.txt", folder / "stderr.txt"
    command = [sys.executable, "-m", "gateway", "serve", *arguments, "--port", "0"]
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=_clean(environment or {}),
        )
    try:
        url, key = _wait_until_ready(process, stdout, stderr)
        yield RunningGateway(url=url, key=key, process=process, stdout=stdout, stderr=stderr)
    finally:
        stopped = _stop(process)
    assert stopped, f"SIGTERM did not stop the gateway within {STOP_S:g} s\n{_tail(stderr)}"


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without settings of ours or of a cloud account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIERWISE_", "AWS_"))}
    return {**kept, **environment}


def _wait_until_ready(process: subprocess.Popen[bytes], stdout: Path, stderr: Path) -> tuple[str, str]:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if said := _READY.search(stdout.read_text()):
            return said[1], said[2]
        ended = process.poll()
        assert ended is None, f"the gateway ended with status {ended} before it was ready\n{_tail(stderr)}"
        time.sleep(_POLL_S)
    raise AssertionError(f"the gateway was not ready within {READY_S:g} s\n{_tail(stdout)}\n{_tail(stderr)}")


def _stop(process: subprocess.Popen[bytes]) -> bool:
    """Ends the process; False when it had to be killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def _tail(file: Path) -> str:
    return file.read_text(errors="replace")[-4_000:]
