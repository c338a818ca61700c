"""The databases that the contract of jobs is held against: SQLite always, the servers where they are installed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from sqlalchemy import delete

from router_core.adapters.sql.database import Database, database_url
from router_core.adapters.sql.history import SqlJobHistory
from router_core.adapters.sql.letters import SqlLetters
from router_core.adapters.sql.queue import SqlJobQueue
from router_core.adapters.sql.schema import upgrade
from router_core.adapters.sql.sealed import Sealer
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.adapters.sql.upkeep import SqlUpkeep
from tests.contract.sql.servers import binary, running_mariadb, running_postgres

KINDS = ("sqlite", "postgresql", "mariadb")
_NEEDS = {"postgresql": "initdb", "mariadb": "mariadb-install-db"}
_RUNS = {"postgresql": running_postgres, "mariadb": running_mariadb}


class SetClock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.at_s = 1_000.0

    def now_s(self) -> float:
        return self.at_s

    def monotonic_s(self) -> float:
        return self.at_s


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """All parts over one database."""

    url: str
    clock: SetClock
    sealer: Sealer
    database: Database
    history: SqlJobHistory
    queue: SqlJobQueue
    letters: SqlLetters
    upkeep: SqlUpkeep


@pytest.fixture(scope="session", params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    kind: str = request.param
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('sql') / 'jobs.db'}"
        return
    if binary(_NEEDS[kind]) is None:
        pytest.skip(f"{kind} is not installed here ({_NEEDS[kind]})")
    with ExitStack() as stack:
        yield stack.enter_context(_RUNS[kind]())


@pytest_asyncio.fixture
async def jobs(url: str) -> AsyncIterator[Jobs]:
    """An empty store; its clock stands until the test moves it."""
    opened = opened_jobs(url)
    upgrade(opened.database.engine)
    with opened.database.engine.begin() as connection:
        connection.execute(delete(MESSAGES))
        connection.execute(delete(HISTORY))
    yield opened
    await opened.database.close()


def opened_jobs(url: str, clock: SetClock | None = None, key: bytes = b"k" * 32) -> Jobs:
    """The parts, as another process would have them."""
    clock, database, sealer = clock or SetClock(), Database(database_url(url, None)), Sealer((key,))
    return Jobs(
        url=url,
        clock=clock,
        sealer=sealer,
        database=database,
        history=SqlJobHistory(database, sealer, clock),
        queue=SqlJobQueue(database, sealer, clock),
        letters=SqlLetters(database, clock),
        upkeep=SqlUpkeep(database, clock),
    )
