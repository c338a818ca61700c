"""Real Redis servers and sentinels as processes on free ports, which a test may pause, kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

PATIENCE_S = 20.0
MASTER = "tierwise"


@dataclass(slots=True, kw_only=True)
class Server:
    """One process; `client` speaks to it without the code under test."""

    command: tuple[str, ...]
    port: int
    folder: Path
    secret: str | None = None
    process: subprocess.Popen[bytes] | None = None
    clients: list[Redis] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def client(self) -> Redis:
        if not self.clients:
            self.clients.append(
                Redis(port=self.port, password=self.secret, socket_timeout=PATIENCE_S, protocol=2)
            )
        return self.clients[0]

    def start(self) -> None:
        with (self.folder / f"{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=log, stderr=log)
        until(self._answers)

    def pause(self) -> None:
        """It takes connections and bytes, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """As a power cut would."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            os.kill(self.process.pid, number)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False


def until(seen: Callable[[], object]) -> None:
    """Wait until `seen()` is true; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def running_redis(folder: Path, *more: str, secret: str | None = None) -> Iterator[Server]:
    """A server without persistence; skips when there is no program to start."""
    port = free_port()
    guarded = ("--requirepass", secret, "--masterauth", secret) if secret else ()
    command = (
        *(_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--appendonly", "no", "--repl-diskless-sync-delay", "0", *guarded, *more),
    )
    server = Server(command=command, port=port, folder=folder, secret=secret)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A primary, its replica and three sentinels that fail over within about two seconds."""

    primary: Server
    replica: Server
    sentinels: tuple[Server, ...]

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        return tuple(sentinel.address for sentinel in self.sentinels)


@contextmanager
def watched_redis(folder: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        primary = stack.enter_context(running_redis(folder))
        follow = ("--replicaof", f"127.0.0.1 {primary.port}")
        replica = stack.enter_context(running_redis(folder, *follow))
        until(lambda: replica.client.info("replication").get("master_link_status") == "up")
        sentinels = tuple(stack.enter_context(_sentinel(folder, primary)) for _ in range(3))
        until(lambda: all(_quorum(sentinel) for sentinel in sentinels))
        yield Watched(primary=primary, replica=replica, sentinels=sentinels)


@contextmanager
def _sentinel(folder: Path, primary: Server) -> Iterator[Server]:
    port = free_port()
    file = folder / f"sentinel-{port}.conf"
    lines = (
        *(f"port {port}", "bind 127.0.0.1", f"sentinel monitor {MASTER} 127.0.0.1 {primary.port} 2"),
        *(f"sentinel down-after-milliseconds {MASTER} 500", f"sentinel failover-timeout {MASTER} 2000"),
    )
    file.write_text("\n".join(lines) + "\n")
    server = Server(command=(_program("redis-sentinel"), str(file)), port=port, folder=folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _quorum(sentinel: Server) -> bool:
    state: Any = sentinel.client.sentinel_master(MASTER)
    return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
