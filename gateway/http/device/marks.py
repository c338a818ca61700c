"""Marks in one SQLite file: which reports of devices were taken, seen by all workers of a machine and outliving them.

A device that sends a batch again, after a crash of either side, must not be counted twice.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Final

from router_core.errors import StaleStateError, StoreError
from router_core.ports import Versioned

_SWEEP_EVERY: Final = 1_000


class FileMarks:
    """`StateStore` of small values in one SQLite file. Opened with the first call, each call in a thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._puts = 0

    async def get(self, key: str) -> Versioned | None:
        """See `StateStore`."""
        return await asyncio.to_thread(self._locked, self._get, key)

    async def put(
        self, key: str, value: bytes, *, expected: int | None = None, ttl_s: float | None = None
    ) -> int:
        """See `StateStore`."""
        return await asyncio.to_thread(self._locked, self._put, key, value, expected, ttl_s)

    async def delete(self, key: str) -> None:
        """See `StateStore`."""
        await asyncio.to_thread(self._locked, self._delete, key)

    def _locked(self, act: Any, *arguments: Any) -> Any:
        with self._guard:
            try:
                return act(self._connection(), *arguments)
            except sqlite3.Error as error:
                raise StoreError("the file of marks cannot be used") from error

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            opened = sqlite3.connect(self._file, timeout=5.0, isolation_level=None, check_same_thread=False)
            opened.execute("PRAGMA journal_mode=WAL")
            opened.execute("PRAGMA synchronous=NORMAL")
            opened.execute(
                "CREATE TABLE IF NOT EXISTS marks"
                " (key TEXT PRIMARY KEY, value BLOB, version INTEGER, until_s REAL) WITHOUT ROWID"
            )
            self._opened = opened
        return self._opened

    @staticmethod
    def _get(db: sqlite3.Connection, key: str) -> Versioned | None:
        row = db.execute(
            "SELECT value, version FROM marks WHERE key = ? AND (until_s IS NULL OR until_s > ?)",
            (key, time.time()),
        ).fetchone()
        return None if row is None else Versioned(value=row[0], version=row[1])

    def _put(
        self, db: sqlite3.Connection, key: str, value: bytes, expected: int | None, ttl_s: float | None
    ) -> int:
        db.execute("BEGIN IMMEDIATE")
        try:
            found = self._get(db, key)
            version = 0 if found is None else found.version
            if expected is not None and expected != version:
                raise StaleStateError("another writer was faster")
            until_s = None if ttl_s is None else time.time() + ttl_s
            db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)", (key, value, version + 1, until_s))
            self._puts += 1
            if self._puts % _SWEEP_EVERY == 0:
                db.execute("DELETE FROM marks WHERE until_s <= ?", (time.time(),))
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        return version + 1

    @staticmethod
    def _delete(db: sqlite3.Connection, key: str) -> None:
        db.execute("DELETE FROM marks WHERE key = ?", (key,))
