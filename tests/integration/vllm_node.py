"""Starts a real vLLM OpenAI server on the CPU as a MEC node, and lets a test end it as a machine would: at once.

The node runs in an environment of its own (`make integration` makes it and names its interpreter in
TIERWISE_VLLM_PYTHON), so nothing of vLLM is imported here.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil

# Generous: a start takes half a minute on two free cores, and several times as long on busy ones.
READY_S = 300.0
STOP_S = 30.0
IDLE_S = 60.0
_POLL_S = 0.5
_ENGINE = "VLLM::Engine"
# vLLM's own CPU figures: 1 GiB of KV cache, and threads left where the system puts them (it would bind all to core 0).
_ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
# 64 blocks of 128 tokens: a cache so small that a few requests show in its use.
_FLAGS = ("--dtype", "float32", "--enforce-eager", "--num-gpu-blocks-override", "64")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What to start. `slots` is how many requests run at once before others wait; `folder` takes log and caches."""

    python: str
    model: Path
    folder: Path
    served_name: str
    context_tokens: int
    slots: int = 4
    api_key: str = field(repr=False)


class VllmNode:
    """One node on a port of its own, which it keeps over restarts."""

    def __init__(self, plan: NodePlan) -> None:
        self.plan = plan
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = plan.folder / "vllm.log"
        self.start_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = False

    @property
    def running(self) -> bool:
        """Whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the process without waiting for it. A node that runs already is left alone; one that was told to end,
        or whose engine was killed, is ended first."""
        if self._ending:
            self.stop()
        if self.running:
            return
        plan = self.plan
        command = [plan.python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(plan.model)]
        command += ["--served-model-name", plan.served_name, "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--max-model-len", str(plan.context_tokens), "--max-num-seqs", str(plan.slots), *_FLAGS]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=plan.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._environment(),
            )

    def wait_ready(self) -> None:
        """Returns when the node answers. Raises AssertionError with the log's end when it ends or takes READY_S."""
        began = time.monotonic()
        while not self._healthy():
            assert self.running, f"the node ended before it was ready\n{self.tail()}"
            assert time.monotonic() - began < READY_S, f"not ready within {READY_S:g} s\n{self.tail()}"
            time.sleep(_POLL_S)
        self.start_s = time.monotonic() - began

    def wait_idle(self) -> None:
        """Returns when it serves nobody. Raises AssertionError when it is still busy after IDLE_S."""
        deadline = time.monotonic() + IDLE_S
        while (busy := self.load()) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        assert not busy, f"{busy:g} requests still on the node after {IDLE_S:g} s\n{self.tail()}"

    def load(self) -> float:
        """Requests that run or wait on it, by its own count."""
        figures = self.metrics()
        return figures["vllm:num_requests_running"] + figures["vllm:num_requests_waiting"]

    def kill(self) -> None:
        """SIGKILL to the server and all its children: connections drop without a word."""
        self._end(signal.SIGKILL)

    def kill_engine(self) -> None:
        """SIGKILL to the engine alone, as when it runs out of memory: the HTTP server is left to tell its clients."""
        assert self._process is not None, "the node is not running"
        children = psutil.Process(self._process.pid).children(recursive=True)
        engines = [child for child in children if child.name().startswith(_ENGINE)]
        assert engines, f"no {_ENGINE} among {[child.name() for child in children]}"
        self._ending = True
        for engine in engines:
            engine.kill()

    def ask_to_stop(self) -> None:
        """SIGTERM to the server, without waiting: what a container platform does first."""
        assert self._process is not None, "the node is not running"
        self._ending = True
        self._process.terminate()

    def stop(self) -> None:
        """SIGTERM to all; SIGKILL when they stay longer than STOP_S."""
        self._end(signal.SIGTERM)

    def metrics(self) -> dict[str, float]:
        """The node's own figures now, summed over labels, by their name on `/metrics`."""
        totals: dict[str, float] = {}
        for line in httpx2.get(f"{self.url}/metrics", timeout=10, trust_env=False).text.splitlines():
            if match := re.match(r"(vllm:\w+)(?:\{.*\})? (\S+)$", line):
                totals[match[1]] = totals.get(match[1], 0.0) + float(match[2])
        return totals

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4_000:]

    def _environment(self) -> dict[str, str]:
        """The caller's, less what configures vLLM or the gateway, and with caches in the node's folder. The key goes by
        variable: a command line is visible to every user of a machine."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("VLLM_", "TIERWISE_", "PYTHON"))}
        own = {"VLLM_CACHE_ROOT": str(self.plan.folder / "cache"), "VLLM_API_KEY": self.plan.api_key}
        return {**kept, **_ENVIRONMENT, **own}

    def _healthy(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", timeout=5, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        _signal_group(process.pid, number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        # A child that outlived its parent would keep the port.
        _signal_group(process.pid, signal.SIGKILL)
        self._process = None
        self._ending = False


@contextmanager
def running_nodes(*plans: NodePlan) -> Iterator[tuple[VllmNode, ...]]:
    """Starts all nodes side by side, waits for each, and stops them at the end."""
    nodes = tuple(VllmNode(plan) for plan in plans)
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
        yield nodes
    finally:
        for node in nodes:
            node.stop()


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
