"""What it costs to start: the command's help, the time until the gateway serves, and its memory when nothing asks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Effort, Section, SkippedError, Table, median, shown
from benchmarks.gateway import mock_upstream
from benchmarks.processes import Program, cpu_s, free_port, rss_mb, running
from benchmarks.site import Site, write_settings

REST_S: Final = 2.0
READY: Final = b"tierwise ready on "
LIMIT_S: Final = 60.0
_NOTE: Final = """\
From the start of the process until it has said its help, or that it is ready; "wall" is by the clock, "without waits"
is that without the time its main thread was ready to run but other programs had the cores, which is what is held
against the goals; memory is that of the process tree {rest:g} s later. Medians of {rounds}. The gateway has one target on this machine's network and, in the
second row, the device model in its own process."""
Start = tuple[float, float, float, float]
"""Seconds by the clock, seconds without waiting for a core, CPU seconds, MB at rest."""
_SERVE: Final = (sys.executable, "-m", "gateway", "serve")


def measure(effort: Effort) -> Section:
    """Help, and two gateways: without and with the device model."""
    rounds = 2 * effort.rounds + 1 if effort.rounds > 1 else 1
    helped = [_help() for _ in range(rounds)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mock_upstream(folder) as (_, url):
            plain = [_serve(folder, url, device=False) for _ in range(effort.rounds)]
            device = [_serve(folder, url, device=True) for _ in range(effort.rounds)]
    rows = (
        _cells("`tierwise --help`", helped),
        _cells("`tierwise serve`, one target", plain),
        _cells("`tierwise serve`, with the device model", device),
    )
    return Section(
        name="startup",
        tables=(
            Table(
                title="Start",
                header=("what", "wall", "without waits", "CPU", "memory"),
                rows=rows,
                note=_NOTE.format(rest=REST_S, rounds=effort.rounds),
            ),
        ),
        figures={
            "help": median([one[1] for one in helped]),
            "ready": median([one[1] for one in device]),
            "rest": median([one[3] for one in device]),
        },
    )


def _cells(name: str, starts: Sequence[Start]) -> tuple[str, ...]:
    times = [f"{shown(median([one[i] for one in starts]))} s" for i in range(3)]
    memory = median([one[3] for one in starts])
    return name, *times, f"{memory:.0f} MB" if memory else "-"


def _help() -> Start:
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "gateway", "--help"], stdout=subprocess.DEVNULL)
    # What the kernel says of it is there until it is buried.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - began
    found = (wall, wall - _waited_s(process.pid), _ran_s(process.pid), 0.0)
    if process.wait():
        raise RuntimeError(f"--help ended with status {process.returncode}")
    return found


def _serve(folder: Path, upstream: str, *, device: bool) -> Start:
    site = Site(folder=folder / "site", upstream=upstream, port=free_port(), device=device)
    command = [*_SERVE, "--config", str(write_settings(site))]
    began = time.perf_counter()
    with running(command, folder / "start.log", site.environ) as program:
        pid = program.process.pid
        _wait_until_ready(program, began + LIMIT_S)
        wall, cpu = time.perf_counter() - began, cpu_s(pid)
        waited = _waited_s(pid)
        time.sleep(REST_S)
        return wall, wall - waited, cpu, rss_mb(pid)


def _waited_s(pid: int) -> float:
    """Seconds the main thread of a process was ready to run but had no core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _ran_s(pid: int) -> float:
    """Seconds the main thread of a process ran."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _wait_until_ready(program: Program, until: float) -> None:
    while READY not in program.log.read_bytes():
        if program.process.poll() is not None or time.perf_counter() > until:
            raise SkippedError(f"the gateway did not become ready: {program.said()}")
        time.sleep(0.005)
