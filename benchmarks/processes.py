"""Starts the programs that are measured, reads their CPU time and memory from the kernel, and stops every one.

CPU is counted over a program's whole process tree, with the children it has already buried, so that a server that
works in children is not measured at nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.figures import SkippedError

TICKS: Final = os.sysconf("SC_CLK_TCK")
STOP_S: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A running program and the file that takes what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self, limit: int = 400) -> str:
        """The end of its output, on one line."""
        return " ".join(self.log.read_text(errors="replace")[-limit:].split())


@contextmanager
def running(command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> Iterator[Program]:
    """A program in a session of its own, so that its children end with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**_ambient(), **(environ or {})},
            start_new_session=True,
        )
    try:
        yield Program(process=process, log=log)
    finally:
        stop(process)


def _ambient() -> dict[str, str]:
    """Our environment without settings of the gateway, which would change what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TIERWISE_")}


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the program and all below it to end, then make them. Returns when none of them runs."""
    everyone = tree(process.pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        until = time.monotonic() + STOP_S
        while any(runs(pid) for pid in everyone) and time.monotonic() < until:
            # Also buries it, which is what makes a child that has ended disappear.
            process.poll()
            time.sleep(0.01)
    process.wait(STOP_S)


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_open(program: Program, port: int, limit_s: float) -> None:
    """Wait until the program takes connections. Raises `SkippedError` when it ends before or takes too long."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if program.process.poll() is not None:
            raise SkippedError(f"it ended with status {program.process.returncode}: {program.said()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SkippedError(f"it did not listen within {limit_s:g} s: {program.said()}")


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and all below it, the ended ones that were waited for included."""
    return sum(sum(_stat(one)[11:15]) for one in tree(pid)) / TICKS


def rss_mb(pid: int) -> float:
    """Resident memory of a process and all below it; pages shared between them count in each."""
    return sum(_stat(one)[21] for one in tree(pid)) * os.sysconf("SC_PAGE_SIZE") / 2**20


def tree(pid: int) -> list[int]:
    """The process and all its descendants that live."""
    parents = {one: _stat(one)[1] for one in _all_pids()}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _stat(pid: int) -> list[int]:
    """Fields of /proc/PID/stat from the state on (index 0, shown as 0); zeros for a process that has just gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return [0] * 50
    return [0, *map(int, text.rpartition(")")[2].split()[1:])]
