"""The files of one worker's log: when a new one starts, which old ones go, and that a failed write leaves no trace.

A start never writes to a file that is already there, so a tail torn by a crash stays behind where it is and the
reader skips it. Names are `events-<worker>-<seq>.log`; creating one exclusively is what makes a name unique.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final

from router_core.errors import ConfigurationError

_NAME: Final = re.compile(r"events-(?P<worker>[A-Za-z0-9_.-]{1,64})-(?P<seq>\d{8})\.log")
_WORKER: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TRIES: Final = 16


def log_files(directory: Path) -> dict[str, list[Path]]:
    """Each worker's files, oldest first. A missing directory holds none."""
    found: dict[str, list[Path]] = {}
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(directory.iterdir()):
            if name := _NAME.fullmatch(path.name):
                found.setdefault(name["worker"], []).append(path)
    return found


class EventFiles:
    """Appends to the newest file and rolls to the next by size.

    A file holds `max_bytes` at most, unless one append alone is longer; `keep_files` are kept per worker.
    Every method may raise OSError; after a failed append nothing of it can be read.
    """

    def __init__(self, directory: Path, worker: str, *, max_bytes: int, keep_files: int) -> None:
        if not _WORKER.fullmatch(worker) or max_bytes < 1 or keep_files < 1:
            raise ConfigurationError("events: worker must be 1 to 64 of A-Z a-z 0-9 _ . -, sizes at least 1")
        self._directory = directory
        self._worker = worker
        self._max_bytes = max_bytes
        self._keep_files = keep_files
        self._fd: int | None = None
        self._size = 0
        self._dirty = False

    @property
    def dirty(self) -> bool:
        """Whether something was appended that no `sync` has made durable."""
        return self._dirty

    def fits(self, size: int) -> bool:
        """Whether so many more bytes belong into the open file; False when none is open."""
        return self._fd is not None and (self._size == 0 or self._size + size <= self._max_bytes)

    def roll(self) -> None:
        """Close the open file durably, start the next one, delete the oldest above the limit."""
        self.close()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        mine = log_files(self._directory).get(self._worker, [])
        self._fd = self._create(_sequence(mine[-1]) + 1 if mine else 0)
        self._size = 0
        for old in mine[: max(0, len(mine) + 1 - self._keep_files)]:
            with contextlib.suppress(FileNotFoundError):
                old.unlink()

    def append(self, data: bytes) -> None:
        """Write all of `data`, normally by one system call."""
        assert self._fd is not None, "roll() first"  # noqa: S101 - a programming error, never an input
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            self._undo(self._fd)
            raise
        self._size += len(data)
        self._dirty = True

    def sync(self) -> None:
        """Make everything appended so far durable. A file that somebody deleted is given up for a new one."""
        if self._fd is None or not self._dirty:
            return
        os.fsync(self._fd)
        self._dirty = False
        if os.fstat(self._fd).st_nlink == 0:
            self._abandon()

    def close(self) -> None:
        """Sync and close; the next append needs a `roll`."""
        try:
            self.sync()
        finally:
            self._abandon()

    def _undo(self, fd: int) -> None:
        """Take back a torn append, or else never touch this file again: what follows would join the torn line."""
        try:
            os.ftruncate(fd, self._size)
        except OSError:
            self._abandon()

    def _abandon(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with contextlib.suppress(OSError):
                os.close(fd)

    def _create(self, sequence: int) -> int:
        """Another process under the same worker's name may be faster: then the next number is tried."""
        for number in range(sequence, sequence + _TRIES):
            path = self._directory / f"events-{self._worker}-{number:08d}.log"
            with contextlib.suppress(FileExistsError):
                fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                self._sync_directory()
                return fd
        raise FileExistsError("events: no free file name")

    def _sync_directory(self) -> None:
        """Without this a crash of the machine could lose the new name together with its synced content."""
        fd = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _sequence(path: Path) -> int:
    name = _NAME.fullmatch(path.name)
    return int(name["seq"]) if name else 0
