"""One database: SQLite in WAL mode, PostgreSQL or MariaDB behind the same engine, used from threads of its own.

Transactions are short and see committed rows only. One that the database itself rolled back to end a deadlock is run
again; anything else it says is `StoreError`, without its words, which may hold values.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from router_core.adapters.sql.turns import Turns, take_turn
from router_core.errors import ConfigurationError, StoreError

T = TypeVar("T")
Login = Callable[[], str]
"""Gives the password for one connection. Blocks; raises `StoreError`."""
DRIVERS: Final = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_BUSY_S: Final = 15.0
_ANSWER_S: Final = 20.0
_CONNECT_S: Final = 5
_AWAY: Final = "the job store cannot be reached"
_ROLLED_BACK: Final = frozenset(("1205", "1213", "1020", "40001", "40P01"))
_AGAIN: Final = 5
_THREADS: Final = 4


def database_url(text: str, password: str | None) -> URL:
    """The address, with the driver we speak through. Raises `ConfigurationError`."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigurationError("settings: jobs.url is not the address of a database") from None
    driver = DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise ConfigurationError("settings: jobs.url must begin with sqlite, postgresql, mysql or mariadb")
    if url.password is not None:
        raise ConfigurationError("settings: jobs.url must not hold a password; use jobs.password")
    return url.set(drivername=driver, password=password)


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite database; None for the others."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


class Database:
    """Runs transactions on threads. The engine is made at once and connects when it is first used."""

    def __init__(self, url: URL, *, login: Login | None = None, ca_file: str | None = None) -> None:
        self.engine = _engine(url, ca_file)
        if login is not None:
            event.listen(self.engine, "do_connect", _logging_in(login))
        self._threads = ThreadPoolExecutor(_THREADS, "tierwise-sql")
        self._turns = Turns(self._written) if sqlite_file(url) is not None else None

    async def write(self, act: Callable[[Connection], T], *, durable: bool = True) -> T:
        """The act as one transaction. Not `durable`: a power cut may undo it, because others then only do it again.
        Raises `StoreError`."""
        if self._turns is None:
            return await _answered(self._threads.submit(transact, self.engine, act))
        return await _answered(self._turns.write(act, durable))

    async def read(self, act: Callable[[Connection], T]) -> T:
        """The same for an act that changes nothing."""
        return await _answered(self._threads.submit(transact, self.engine, act, reading=True))

    async def close(self) -> None:
        """End the connections; what still runs is waited for."""
        if self._turns is not None:
            await asyncio.to_thread(self._turns.close)
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self.engine.dispose)

    def _written(self, act: Callable[[Connection], Any], durable: bool) -> Any:
        return transact(self.engine, act, durable=durable)


async def _answered(running: Future[T]) -> T:
    """What a thread gives. A server that takes bytes and answers nothing holds the thread, not whoever waits: after a while
    nobody knows how it ended, and what has not begun is not done."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await asyncio.wrap_future(running)
    except TimeoutError:
        raise StoreError("the job store does not answer") from None
    except SQLAlchemyError as error:
        raise _refused(error) from None


def transact(
    engine: Engine, act: Callable[[Connection], T], *, reading: bool = False, durable: bool = True
) -> T:
    """The act as one transaction, in this thread. Raises `StoreError`."""
    for left in reversed(range(_AGAIN)):
        try:
            with engine.connect() as connection:
                connection.execution_options(tierwise_reading=reading, tierwise_durable=durable)
                return _in_transaction(connection, act)
        except SQLAlchemyError as error:
            if not left or not _rolled_back(error):
                raise _refused(error) from None
        except sqlite3.OperationalError:
            raise StoreError(_AWAY) from None
    raise StoreError("the job store did not settle")


def _in_transaction(connection: Connection, act: Callable[[Connection], T]) -> T:
    with connection.begin():
        return act(connection)


def _refused(error: SQLAlchemyError) -> StoreError:
    if isinstance(error, PoolTimeoutError):
        return StoreError("the job store has no connection left")
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if lost or isinstance(error, OperationalError | InterfaceError):
        return StoreError(_AWAY)
    return StoreError(f"the job store refused: {type(error).__name__}")


def _rolled_back(error: SQLAlchemyError) -> bool:
    """Whether the database chose this transaction to end a deadlock: nothing of it happened."""
    if not isinstance(error, DBAPIError):
        return False
    said = error.orig
    code = getattr(said, "sqlstate", None) or (said.args[0] if said is not None and said.args else None)
    return str(code) in _ROLLED_BACK


def _logging_in(login: Login) -> Callable[..., None]:
    """Each connection has a password of its own: tokens end long before a pool does."""

    def connect(dialect: Any, record: Any, arguments: Any, named: dict[str, Any]) -> None:
        named["password"] = login()

    return connect


def _engine(url: URL, ca_file: str | None) -> Engine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        engine = create_engine(url, connect_args={"timeout": _BUSY_S, "check_same_thread": False})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    timeouts: dict[str, Any] = {"connect_timeout": _CONNECT_S}
    if backend == "mysql":
        timeouts |= {"read_timeout": int(_BUSY_S), "write_timeout": int(_BUSY_S)}
        if ca_file is not None:
            timeouts["ssl"] = {"ca": ca_file, "check_hostname": True}
    else:
        timeouts["options"] = f"-c statement_timeout={int(_BUSY_S * 1000)}"
        if ca_file is not None:
            timeouts |= {"sslmode": "verify-full", "sslrootcert": ca_file}
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=_THREADS,
        max_overflow=0,
        connect_args=timeouts,
    )


def _prepare_sqlite(connection: Any, _: object) -> None:
    # The driver must not begin transactions by itself: it would begin them without the write lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("tierwise_reading", False):
        connection.exec_driver_sql("BEGIN")
        return
    raw: Any = connection.connection.dbapi_connection
    durable = options.get("tierwise_durable", True)
    if connection.info.get("durable", True) != durable:
        # Only the wait for the disk differs: what comes later and waits brings the earlier along.
        raw.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.info["durable"] = durable
    take_turn(raw, _BUSY_S)
