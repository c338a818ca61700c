"""Starts our own model server, which streams at a steady pace, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import free_port, running, wait_until_open


@contextmanager
def own_upstream(folder: Path, late_s: float = 0.0) -> Iterator[str]:
    """Its URL. Whole answers come `late_s` late."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.upstream", str(port), str(late_s)]
    with running(command, folder / "upstream.log") as program:
        wait_until_open(program, port, 20)
        yield f"http://127.0.0.1:{port}"
