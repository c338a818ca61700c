"""The databases that the contract of jobs is held against: SQLite always, the servers where they are installed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
from sqlalchemy import delete

from gateway.composition.jobs_store import Letters
from router_core.adapters.sql.database import Database, database_url
from router_core.adapters.sql.history import SqlJobHistory
from router_core.adapters.sql.letters import SqlLetters
from router_core.adapters.sql.queue import SqlJobQueue
from router_core.adapters.sql.schema import upgrade
from router_core.adapters.sql.sealed import Sealer
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.adapters.sql.upkeep import SqlUpkeep
from router_core.ports import JobHistory, JobQueue
from tests.contract.sql.servers import binary, running_mariadb, running_postgres
from tests.contract.sqs.site import Topics, running_site
from tests.contract.sqs.subject import Carried

KINDS = ("sqlite", "postgresql", "mariadb", "sqs")
"""`sqs`: SQLite, with the messages carried by SNS and SQS."""
_NEEDS = {"postgresql": "initdb", "mariadb": "mariadb-install-db"}
_RUNS = {"postgresql": running_postgres, "mariadb": running_mariadb}


class SetClock:
    """Time that a test sets. `passed` hears how much of it went by."""

    def __init__(self) -> None:
        self._at_s = 1_000.0
        self.passed: Callable[[float], None] = lambda seconds: None

    @property
    def at_s(self) -> float:
        return self._at_s

    @at_s.setter
    def at_s(self, at_s: float) -> None:
        self.passed(at_s - self._at_s)
        self._at_s = at_s

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
    history: JobHistory
    queue: JobQueue
    letters: Letters
    upkeep: SqlUpkeep


@pytest.fixture(scope="session", params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    kind: str = request.param
    if kind in ("sqlite", "sqs"):
        yield f"sqlite:///{tmp_path_factory.mktemp('sql') / 'jobs.db'}"
        return
    if binary(_NEEDS[kind]) is None:
        pytest.skip(f"{kind} is not installed here ({_NEEDS[kind]})")
    with ExitStack() as stack:
        yield stack.enter_context(_RUNS[kind]())


@pytest.fixture(scope="session")
def sqs_site() -> Iterator[str]:
    with running_site() as endpoint:
        yield endpoint


@pytest_asyncio.fixture
async def jobs(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Jobs]:
    """An empty store; its clock stands until the test moves it."""
    opened = opened_jobs(url)
    upgrade(opened.database.engine)
    with opened.database.engine.begin() as connection:
        connection.execute(delete(MESSAGES))
        connection.execute(delete(HISTORY))
    if request.node.callspec.params["url"] != "sqs":
        yield opened
    else:
        carried = Carried(opened, Topics(request.getfixturevalue("sqs_site")))
        yield replace(opened, history=carried, queue=carried, letters=carried.letters)
        await carried.close()
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
