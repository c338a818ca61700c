"""Writers of one SQLite file take turns, and what waits for its turn in this process is written together.

A file has one writer at a time, and each transaction that must survive a power cut waits for the disk once. So the acts that
wait here share one transaction, each behind a savepoint of its own; and between processes a writer asks for its turn every
few milliseconds, because SQLite's own waiting sleeps up to a tenth of a second.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from sqlalchemy import Connection

from router_core.record import dataclass

Act = Callable[[Connection], Any]
_TOGETHER: Final = 32
_SOON_S: Final = 0.0005
_LATER_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    act: Act
    durable: bool
    future: Future[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failed:
    error: Exception


class Turns:
    """One thread that writes. `transact(act, durable)` is one transaction; what it raises is everybody's."""

    def __init__(self, transact: Callable[[Act, bool], Any]) -> None:
        self._transact = transact
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, "tierwise-sql-writer")

    def write(self, act: Act, durable: bool) -> Future[Any]:
        """The act's result, or what it raised. One that is cancelled before its turn is not done."""
        future: Future[Any] = Future()
        self._waiting.append(_Waiting(act=act, durable=durable, future=future))
        self._thread.submit(self._some)
        return future

    def close(self) -> None:
        """What waits is written."""
        self._thread.shutdown()

    def _some(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
        ours = [one for one in taken if one.future.set_running_or_notify_cancel()]
        if not ours:
            return
        durable = any(one.durable for one in ours)
        try:
            if len(ours) == 1:
                results = [self._transact(ours[0].act, durable)]
            else:
                results = self._transact(
                    lambda connection: [_apart(connection, one) for one in ours], durable
                )
        except Exception as error:
            results = [_Failed(error=error)] * len(ours)
        for one, result in zip(ours, results, strict=True):
            if isinstance(result, _Failed):
                one.future.set_exception(result.error)
            else:
                one.future.set_result(result)


def _apart(connection: Connection, waiting: _Waiting) -> Any:
    """An act that fails takes nothing of the others with it."""
    try:
        with connection.begin_nested():
            return waiting.act(connection)
    except Exception as error:
        return _Failed(error=error)


def take_turn(raw: sqlite3.Connection, patience_s: float) -> None:
    """Begin a transaction that may write: two that read first and then wrote could not both go on. Raises
    `sqlite3.OperationalError` where another process writes for so long."""
    deadline, pause = time.monotonic() + patience_s, _SOON_S
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while not _begun(raw, last=time.monotonic() >= deadline):
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
            pause = min(_LATER_S, 2.0 * pause)
    finally:
        raw.execute(f"PRAGMA busy_timeout={int(patience_s * 1000.0)}")


def _begun(raw: sqlite3.Connection, *, last: bool) -> bool:
    try:
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        # The low byte says what it is, the rest in which way.
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
