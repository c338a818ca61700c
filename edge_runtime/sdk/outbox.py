"""What is to be told to the gateway when it can be reached: reports, judgements and requests that wait, in one SQLite file.

An item is there from before its caller hears of it until the gateway has answered for it, so a kill at any moment loses
nothing; it may be sent twice, and its id tells the gateway so. Bounded in bytes and in age: the oldest reports go first,
and what went is counted. Calls block for a fraction of a millisecond and belong on one thread, but for `put`, which may be
called elsewhere while that one is idle and `untidy` is false: it then writes to the page cache and waits for no disk.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Kind = Literal["report", "judgement", "request"]
MAX_BYTES: Final = 4 * 1024 * 1024
TTL_S: Final[Mapping[str, float]] = {"report": 7 * 86_400.0, "judgement": 7 * 86_400.0, "request": 86_400.0}
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 900.0
_TIDY_EVERY: Final = 100
"""Puts until the write-ahead log is brought into the file."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS items (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, session TEXT,
  body TEXT NOT NULL, size INTEGER NOT NULL, expires_s REAL NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, due_s REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, body TEXT NOT NULL, expires_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS items_by_end ON items (expires_s);
CREATE INDEX IF NOT EXISTS items_by_turn ON items (due_s);
INSERT OR IGNORE INTO counts SELECT 'bytes', COALESCE(SUM(size), 0) FROM items;
CREATE TRIGGER IF NOT EXISTS items_come AFTER INSERT ON items
  BEGIN UPDATE counts SET value = value + NEW.size WHERE name = 'bytes'; END;
CREATE TRIGGER IF NOT EXISTS items_go AFTER DELETE ON items
  BEGIN UPDATE counts SET value = value - OLD.size WHERE name = 'bytes'; END;
"""
"""What is counted with every change need not be summed with every report: a week offline must not make an answer slow."""


class FullError(Exception):
    """The outbox holds as many bytes of requests as it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`id` is its idempotency key; of the requests of one `session` only the first is ever due."""

    id: str
    kind: Kind
    body: Mapping[str, Any]
    session: str | None = None
    attempts: int = 0


class Outbox:
    """`file` None keeps it in memory: then a restart loses what was not sent. A file that is no database any more, after a
    power cut or a broken disk, is put aside as `.broken`: an app must not fail to start over reports."""

    def __init__(
        self, file: Path | None, *, max_bytes: int = MAX_BYTES, now_s: Callable[[], float] = time.time
    ) -> None:
        self._max_bytes, self._now_s = max_bytes, now_s
        self._puts = 0
        try:
            self._db = _opened(file)
        except sqlite3.DatabaseError as error:
            if file is None or isinstance(error, sqlite3.OperationalError):
                raise
            os.replace(file, file.with_suffix(".broken"))
            self._db = _opened(file)

    def put(self, item: Item) -> None:
        """Keep an item; one whose id is there already changes nothing. Raises `FullError` for a request that does not
        fit; reports push out the oldest reports instead."""
        if self.untidy:
            self._tidy()
        self._puts += 1
        body = json.dumps(item.body, separators=(",", ":"), ensure_ascii=False)
        size, now = len(body.encode()) + 100, self._now_s()
        with _transaction(self._db):
            self._expire(now)
            if not self._make_room(item.kind, size):
                return
            self._db.execute(
                "INSERT OR IGNORE INTO items (id, kind, session, body, size, expires_s) VALUES (?, ?, ?, ?, ?, ?)",
                (item.id, item.kind, item.session, body, size, now + TTL_S[item.kind]),
            )

    @property
    def untidy(self) -> bool:
        """Whether the next `put` waits for the disk, because what is written is brought into the file itself."""
        return self._puts >= _TIDY_EVERY

    def due(self, kinds: Iterable[Kind], limit: int) -> list[Item]:
        """Items to send now, oldest first; of each session the first request only."""
        names = tuple(kinds)
        marks = ",".join("?" * len(names))
        now = self._now_s()
        rows = self._db.execute(
            f"SELECT id, kind, body, session, attempts FROM items AS one WHERE kind IN ({marks})"  # noqa: S608 - only question marks
            " AND due_s <= ? AND expires_s > ? AND (kind != 'request' OR session IS NULL OR NOT EXISTS"
            " (SELECT 1 FROM items AS other WHERE other.kind = 'request' AND other.session = one.session"
            " AND other.seq < one.seq)) ORDER BY seq LIMIT ?",
            (*names, now, now, limit),
        ).fetchall()
        return [
            Item(id=row[0], kind=row[1], body=json.loads(row[2]), session=row[3], attempts=row[4])
            for row in rows
        ]

    def delivered(self, ids: Iterable[str]) -> None:
        """The gateway has answered for these."""
        with _transaction(self._db):
            self._db.executemany("DELETE FROM items WHERE id = ?", [(one,) for one in ids])
        self._tidy()

    def answered(self, item: Item, result: Mapping[str, Any]) -> None:
        """A request that waited has its answer, which is kept until it is taken: both in one step."""
        body = json.dumps(result, separators=(",", ":"), ensure_ascii=False)
        with _transaction(self._db):
            self._db.execute("DELETE FROM items WHERE id = ?", (item.id,))
            self._db.execute(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?)",
                (item.id, body, self._now_s() + TTL_S["request"]),
            )

    def later(self, items: Iterable[Item], fraction: float) -> None:
        """Not delivered: wait twice as long as before, less up to half of it by `fraction` in [0, 1], so that many
        devices do not come back in one moment."""
        now = self._now_s()
        with _transaction(self._db):
            for item in items:
                pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(item.attempts, 20))
                self._db.execute(
                    "UPDATE items SET attempts = attempts + 1, due_s = ? WHERE id = ?",
                    (now + pause * (1.0 - 0.5 * fraction), item.id),
                )

    def all_due(self) -> None:
        """The network is back: nothing waits any longer."""
        self._db.execute("UPDATE items SET due_s = 0")

    def take_results(self) -> list[tuple[str, dict[str, Any]]]:
        """Answers to requests that waited, oldest first; each is given once."""
        with _transaction(self._db):
            rows = self._db.execute("SELECT id, body FROM results ORDER BY rowid").fetchall()
            self._db.execute("DELETE FROM results")
        return [(row[0], json.loads(row[1])) for row in rows]

    def waiting(self) -> dict[str, int]:
        """How many items wait, by kind, and under "dropped" how many were given up so far."""
        counts = dict(self._db.execute("SELECT kind, COUNT(*) FROM items GROUP BY kind").fetchall())
        row = self._db.execute("SELECT value FROM counts WHERE name = 'dropped'").fetchone()
        return {**counts, "dropped": 0 if row is None else int(row[0])}

    def next_due_s(self) -> float | None:
        """Seconds until something is due; None when nothing waits."""
        row = self._db.execute("SELECT MIN(due_s) FROM items").fetchone()
        return None if row[0] is None else max(0.0, row[0] - self._now_s())

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _tidy(self) -> None:
        self._puts = 0
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _expire(self, now: float) -> None:
        self._dropped(self._db.execute("DELETE FROM items WHERE expires_s <= ?", (now,)).rowcount)
        self._db.execute("DELETE FROM results WHERE expires_s <= ?", (now,))

    def _make_room(self, kind: Kind, size: int) -> bool:
        """Whether there is room; a report that finds none among requests is itself what is dropped."""
        used = self._db.execute("SELECT value FROM counts WHERE name = 'bytes'").fetchone()[0]
        while used + size > self._max_bytes:
            oldest = self._db.execute(
                "SELECT id, size FROM items WHERE kind != 'request' ORDER BY seq LIMIT 1"
            ).fetchone()
            if oldest is None and kind != "request":
                self._dropped(1)
                return False
            if oldest is None:
                raise FullError(f"the outbox holds its {self._max_bytes} bytes of {kind}s")
            self._db.execute("DELETE FROM items WHERE id = ?", (oldest[0],))
            self._dropped(1)
            used -= oldest[1]
        return True

    def _dropped(self, count: int) -> None:
        if count > 0:
            self._db.execute(
                "INSERT INTO counts VALUES ('dropped', ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
                (count, count),
            )


def _opened(file: Path | None) -> sqlite3.Connection:
    if file is not None and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        # Requests that wait hold what their user wrote.
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(file or ":memory:", timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        # By itself SQLite would do this in the middle of a put.
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


class _transaction:
    """All or nothing, seen by other processes at once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
