"""Starts child processes that end with this one, and waits until they are ready."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from tests.localaws import address

READY_S: Final = 60.0
ROOT: Final = Path(__file__).resolve().parents[2]


class NotStartedError(RuntimeError):
    """A child ended, or did not become ready in time; the message holds what it said."""


@contextmanager
def running_server(port: int = 0, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """The local AWS; yields its endpoint. `variables` may set the functions' credentials and the cache's port."""
    command = [sys.executable, "-m", "tests.localaws.server", "--with-parent", "--port", str(port)]
    with running(command, variables or {}) as line:
        yield address.endpoint(int(json.loads(line)["port"]))


@contextmanager
def running(command: list[str], variables: Mapping[str, str]) -> Iterator[str]:
    """A child that prints a line when it is ready, and leaves when its standard input closes; yields the line."""
    with _log() as errors:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            env={**_without_account(), **variables},
        )
        try:
            yield _first_line(child)
        except NotStartedError as error:
            errors.seek(0)
            raise NotStartedError(f"{error}: {errors.read()[-2_000:].decode(errors='replace')}") from error
        finally:
            stop(child)


def _log() -> IO[bytes]:
    """Where a child's complaints go: to the file that LOCALAWS_LOG names, else nowhere but into our own errors."""
    if named := os.environ.get("LOCALAWS_LOG"):
        return open(named, "a+b")
    return tempfile.TemporaryFile()


def _without_account() -> dict[str, str]:
    """This environment without anything that could name a real account."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TIERWISE_"))}


def _first_line(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    deadline, line = time.monotonic() + READY_S, b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise NotStartedError("no ready line in time")
            part = os.read(child.stdout.fileno(), 4_096)
            if not part:
                raise NotStartedError(f"the child ended with status {child.wait()}")
            line += part
    return line.decode()


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child that leaves with its standard input; kill it when it does not."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()


def guarded(command: str) -> list[str]:
    """`command` behind a shell that ends it when our standard input closes: for programs that outlive their parents."""
    return [
        "/bin/sh",
        "-c",
        f"{command} >/dev/null & child=$!; echo ready; cat >/dev/null; kill $child; wait $child",
    ]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((address.HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_redis() -> Iterator[int | None]:
    """A Redis without disk on a free port, or None where there is none on this machine."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    port = free_port()
    command = f'{program} --port {port} --bind {address.HOST} --save "" --appendonly no --logfile /dev/null'
    with running(guarded(command), {}):
        _wait_for(port)
        yield port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection((address.HOST, port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise NotStartedError(f"nothing listens on {port}") from None
            time.sleep(0.02)
