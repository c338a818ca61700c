"""What jobs stand on goes away for a while: servers take connections and bytes and answer nothing, a file is locked."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

_LISTENS = "0A"
Away = Callable[[], AbstractContextManager[None]]


@contextmanager
def standing(url: str) -> Iterator[None]:
    """The server of this address, with all that it started, stands still."""
    port = urlsplit(url).port
    assert port is not None
    # The parent first: it must not start others meanwhile.
    stopped = family(listener(port))
    _tell(stopped, signal.SIGSTOP)
    try:
        yield
    finally:
        _tell(stopped, signal.SIGCONT)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Nobody can write to this SQLite file."""
    with closing(sqlite3.connect(file, timeout=30.0, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def away(url: str) -> Away:
    """How the database of this address goes away."""
    if url.startswith("sqlite:///"):
        return lambda: locked(Path(url.removeprefix("sqlite:///")))
    return lambda: standing(url)


def waited(seen: Callable[[], bool], patience_s: float) -> bool:
    """Whether it was seen in time."""
    deadline = time.monotonic() + patience_s
    while not seen():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def listener(port: int) -> int:
    """The process that listens on a port of this machine."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{row[9]}]" for row in rows if row[3] == _LISTENS and int(row[1].split(":")[1], 16) == port
    }
    for process in _processes():
        if any(link in sockets for link in _files(process)):
            return int(process.name)
    raise AssertionError(f"nobody listens on port {port}")


def family(parent: int) -> list[int]:
    """A process, and those that it started, and so on."""
    parents = {}
    for process in _processes():
        try:
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [parent]
    for one in found:
        found += [child for child, its in parents.items() if its == one]
    return found


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _files(process: Path) -> Iterator[str]:
    try:
        for entry in (process / "fd").iterdir():
            yield os.readlink(entry)
    except OSError:
        return


def _tell(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)
