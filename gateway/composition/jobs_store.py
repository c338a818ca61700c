"""Opens what asynchronous requests are kept in and carried by: a database, and SNS with SQS where the settings name topics.

Whoever opens gets the same ports either way. With SQS the process that stores a message also hands it over, and any other
does when this one dies first.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from gateway.composition.batches import envelopes, shelves
from gateway.jobs.place import JobPlace
from gateway.jobs.relay import Outbox, Relay
from gateway.jobs.store import OpenJobs, Upkeep
from gateway.settings.jobs import JobSettings
from router_core.adapters.system_clock import SystemClock
from router_core.errors import ConfigurationError, StoreError
from router_core.jobs.records import Letter, Parcel
from router_core.ports import Clock
from router_core.record import dataclass

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than most gateways need it
    from gateway.batches.parts import OpenBatches
    from gateway.byok.envelopes import Envelopes
    from router_core.adapters.aws.client import AwsThreads
    from router_core.adapters.sql.database import Database, Login
    from router_core.adapters.sql.history import SqlJobHistory
    from router_core.adapters.sql.queue import SqlJobQueue
    from router_core.adapters.sqs.carrier import Carrier
    from router_core.adapters.sqs.letters import Carried
    from router_core.adapters.sqs.queue import SqsJobQueue

_SQLITE: Final = "sqlite:///"


def job_place(settings: JobSettings, password: str | None, key: str | None) -> JobPlace:
    """The settings' place. Raises `ConfigurationError`."""
    if settings.iam and (password is not None or sqlite_path(settings.url) is not None):
        raise ConfigurationError("settings: jobs.iam is for a server, in place of jobs.password")
    if settings.iam and settings.ca_file is None:
        raise ConfigurationError(
            "settings: jobs.iam sends a token, so jobs.ca_file must tell whose server it is"
        )
    return JobPlace(
        url=settings.url,
        password=password,
        key=key,
        iam=settings.iam,
        ca_file=settings.ca_file,
        sns=settings.sns,
    )


class Letters(Protocol):
    """What operators do with messages. Raises `StoreError`."""

    async def peek(self, queue: str | None, state: str | None, most: int) -> tuple[Letter, ...]: ...

    async def redrive(self, queue: str | None, request_id: str | None) -> int: ...

    async def purge(self, queue: str | None, request_id: str | None) -> int: ...


async def _nothing_carried() -> tuple[Carried, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatedQueues:
    """What an operator's commands use: no key, so no text. `carried` is what SQS says of its queues."""

    letters: Letters
    upkeep: Upkeep
    close: Callable[[], Awaitable[None]]
    carried: Callable[[], Awaitable[tuple[Carried, ...]]] = _nothing_carried


def operated(place: JobPlace) -> OperatedQueues:
    """The queues, for a look from outside. Raises `ConfigurationError` or `StoreError`."""
    from router_core.adapters.sql.letters import SqlLetters
    from router_core.adapters.sql.schema import upgrade
    from router_core.adapters.sql.upkeep import SqlUpkeep

    clock = SystemClock()
    database = _database(place)
    upgrade(database.engine)
    letters, upkeep = SqlLetters(database, clock), SqlUpkeep(database, clock)
    if place.sns is None:
        return OperatedQueues(letters=letters, upkeep=upkeep, close=database.close)
    from router_core.adapters.aws.client import AwsThreads
    from router_core.adapters.sql.outbox import SqlOutbox
    from router_core.adapters.sqs.letters import SqsLetters

    threads = AwsThreads(workers=2)
    outbox, carrier = SqlOutbox(database, clock), open_carrier(place.sns)
    both = SqsLetters(carrier, letters, outbox, threads)
    relay = _relay(outbox, carrier, threads)

    async def close() -> None:
        await relay.stop()
        await both.close()
        await database.close()

    return OperatedQueues(letters=both, upkeep=upkeep, close=close, carried=both.carried)


def look(place: JobPlace) -> None:
    """Ask the database for a word. Raises `StoreError` where none comes."""
    from sqlalchemy import text

    from router_core.adapters.sql.database import transact

    database = _database(place)
    try:
        transact(
            database.engine, lambda connection: connection.execute(text("SELECT 1")).scalar(), reading=True
        )
    finally:
        database.engine.dispose()


async def open_jobs(place: JobPlace, clock: Clock) -> OpenJobs:
    """The store, with its tables as they must be. Raises `StoreError`."""
    opened = await asyncio.to_thread(_rows, place, clock)
    return _plain(opened) if place.sns is None else (await carried_jobs(opened, place.sns, clock)).open


def open_sql(url: str, password: str | None, key: str | None, clock: Clock) -> OpenJobs:
    """A database alone. Raises `StoreError`."""
    return _plain(_rows(JobPlace(url=url, password=password, key=key), clock))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The parts over one database."""

    database: Database
    history: SqlJobHistory
    queue: SqlJobQueue
    upkeep: Upkeep
    batches: OpenBatches
    envelopes: Envelopes


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedJobs:
    """The store whose messages SQS carries, and the parts that a function uses by themselves."""

    open: OpenJobs
    queue: SqsJobQueue
    relay: Relay


async def carried_jobs(rows: Rows, sns: str, clock: Clock, *, watching: bool = True) -> CarriedJobs:
    """The ports over SQL and SQS. A relay looks at the outbox until they are closed, unless it is not `watching`."""
    from router_core.adapters.aws.client import AwsThreads
    from router_core.adapters.sql.outbox import SqlOutbox
    from router_core.adapters.sqs.history import SqsJobHistory
    from router_core.adapters.sqs.queue import SqsJobQueue

    threads = AwsThreads()
    carrier = await asyncio.to_thread(open_carrier, sns)
    queue = SqsJobQueue(carrier, rows.queue, threads)
    relay = _relay(SqlOutbox(rows.database, clock), carrier, threads)
    if watching:
        relay.start()

    async def close() -> None:
        await relay.stop()
        queue.close()
        await threads.close()
        await rows.database.close()

    history = SqsJobHistory(rows.history, queue, relay.wake)
    opened = replace(_plain(rows), history=history, queue=queue, close=close)
    return CarriedJobs(open=opened, queue=queue, relay=relay)


async def open_rows(place: JobPlace, clock: Clock) -> Rows:
    """The database's parts. Raises `StoreError`."""
    return await asyncio.to_thread(_rows, place, clock)


def open_carrier(sns: str) -> Carrier:
    """The topics and queues. Blocks: the SDK is loaded here. Raises `ConfigurationError` or `StoreError`."""
    from router_core.adapters.aws.client import READ_S, aws_client
    from router_core.adapters.sqs.carrier import Carrier
    from router_core.adapters.sqs.queue import WAIT_S
    from router_core.adapters.sqs.topics import Topics

    region = sns.split(":")[3]
    topics = Topics(sns, aws_client("sns", region=region))
    return Carrier(topics, aws_client("sqs", region=region, read_s=WAIT_S + READ_S))


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite database, None for a server."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def _relay(outbox: Outbox, carrier: Carrier, threads: AwsThreads) -> Relay:
    async def publish(parcels: Sequence[Parcel]) -> list[Parcel]:
        return await threads.run(carrier.publish, parcels)

    return Relay(outbox, publish)


def _plain(rows: Rows) -> OpenJobs:
    return OpenJobs(
        history=rows.history,
        queue=rows.queue,
        upkeep=rows.upkeep,
        close=rows.database.close,
        batches=rows.batches,
        envelopes=rows.envelopes,
    )


def _rows(place: JobPlace, clock: Clock) -> Rows:
    from router_core.adapters.sql.history import SqlJobHistory
    from router_core.adapters.sql.queue import SqlJobQueue
    from router_core.adapters.sql.schema import upgrade
    from router_core.adapters.sql.sealed import Sealer, derived_key
    from router_core.adapters.sql.upkeep import SqlUpkeep

    file = sqlite_path(place.url)
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        key = derived_key(place.key) if place.key is not None else _own_key(file or Path("jobs"))
        keys = (key, *map(derived_key, () if place.old_key is None else (place.old_key,)))
        sealer = Sealer(keys)
    except OSError as error:
        raise StoreError("the job store's folder cannot be written") from error
    database = _database(place)
    upgrade(database.engine)
    return Rows(
        database=database,
        history=SqlJobHistory(database, sealer, clock),
        queue=SqlJobQueue(database, sealer, clock),
        upkeep=SqlUpkeep(database, clock),
        batches=shelves(database, sealer, clock),
        envelopes=envelopes(keys, clock, place.key_lifetimes),
    )


def _database(place: JobPlace) -> Database:
    from router_core.adapters.sql.database import Database, database_url

    url = database_url(place.url, place.password)
    login: Login | None = None
    if place.iam:
        from router_core.adapters.aws.client import aws_client
        from router_core.adapters.aws.rds_login import RdsLogin

        login = RdsLogin(
            aws_client("rds"), host=url.host or "", port=url.port or 5432, user=url.username or ""
        )
    return Database(url, login=login, ca_file=place.ca_file)


def _own_key(file: Path) -> bytes:
    """The key beside a SQLite file, made at its first opening and readable by its owner alone. Whoever comes second
    takes the first one's."""
    place = file.with_name(file.name + ".key")
    if not place.exists():
        made = place.with_name(f"{place.name}.{os.getpid()}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(os.urandom(32))
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(made, place)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return place.read_bytes()
