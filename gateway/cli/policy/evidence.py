"""Where past requests are read from: the event log of this machine, or the decisions table of all.

An operator's machine is no gateway and has no log. So a table that the settings name, or that the environment has, is asked
first; its records are fetched once into a temporary file, because they are read twice.
"""

from __future__ import annotations

import argparse
import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from gateway.cli.output import note
from gateway.settings.loading import load
from router_core.adapters.events.reader import read
from router_core.deployment import SETTINGS_SSM, resource_name, settings_prefix
from router_core.errors import NotFoundError
from router_core.learning.off_policy.run import Reading
from router_core.record import dataclass

if TYPE_CHECKING:
    from router_core.adapters.dynamodb.evidence import DynamoEvidence

MOST: Final = 100_000
"""Decisions that are fetched from a table, the newest: each costs a query for what came of it."""
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder with an event log, or beside it a table of decisions. `guessed`: the table is the environment's by its name,
    and need not be there."""

    directory: Path
    table: str | None = None
    archive: str | None = None
    tenants: tuple[str, ...] = ()
    guessed: bool = False

    @property
    def named(self) -> str:
        """As a person reads it."""
        return str(self.directory) if self.table is None else f"the table {self.table}"


def place_of(options: argparse.Namespace) -> Place:
    """`--events`, else the table of the settings or of `--env`, else the log of the settings. Raises `ConfigurationError`."""
    if options.events is not None:
        return Place(directory=Path(options.events))
    env = getattr(options, "env", None)
    there = {SETTINGS_SSM: settings_prefix(env)} if env else {}
    settings = load(getattr(options, "config", None), os.environ | there)
    table = settings.stores.decisions or (resource_name(env, "decisions") if env else None)
    tenants = {key.tenant for key in settings.keys} | set(options.tenant or ())
    if table is not None and not tenants:
        note(f"tierwise: {table} is read by tenant, and the settings name none: --tenant does")
        table = None
    return Place(
        directory=settings.events.dir,
        table=table,
        archive=settings.stores.archive,
        tenants=tuple(sorted(tenants)),
        guessed=settings.stores.decisions is None,
    )


def events_directory(options: argparse.Namespace) -> Path:
    """The folder of the event log: as given, else as the settings say."""
    if options.events is not None:
        return Path(options.events)
    return load(getattr(options, "config", None), os.environ).events.dir


@contextmanager
def reading(place: Place, since_s: float) -> Iterator[tuple[Reading, Place]]:
    """The records of that place, as often as wanted, and where they are from after all. Raises `StoreError`, `NotFoundError`."""
    with TemporaryFile() as file:
        if _fetched(place, since_s, file):
            yield lambda: _lines(file), place
            return
    log = Place(directory=place.directory)
    if not log.directory.is_dir():
        note(f"tierwise: there are no records in {log.directory}")
        yield lambda: (), log
    else:
        yield lambda: read(log.directory), log


def _fetched(place: Place, since_s: float, file: IO[bytes]) -> bool:
    """Whether there was a table to fetch from."""
    if place.table is None:
        return False
    try:
        fetch(_opened(place.table, place.archive), place.tenants, since_s, file)
    except NotFoundError:
        if not place.guessed:
            raise
        return False
    return True


def fetch(
    table: DynamoEvidence, tenants: Sequence[str], since_s: float, file: IO[bytes], most: int = MOST
) -> None:
    """The newest decisions with all that belongs to them, oldest first. Raises `StoreError`, `NotFoundError`."""
    newest = heapq.merge(
        *(table.decisions(tenant, since_s) for tenant in tenants), key=lambda one: one["time"], reverse=True
    )
    with TemporaryFile() as decisions:
        places: list[int] = []
        for record in islice(newest, most):
            places.append(decisions.tell())
            _write(decisions, record)
        if len(places) == most:
            note(f"tierwise: the newest {most} decisions are weighed; older ones are left out")
        for record in table.with_all(_backwards(decisions, places)):
            _write(file, record)


def _opened(table: str, archive: str | None) -> DynamoEvidence:
    from router_core.adapters.aws.client import aws_client
    from router_core.adapters.aws.s3_archive import S3Archive
    from router_core.adapters.dynamodb.evidence import DynamoEvidence

    fetched = None if archive is None else S3Archive(aws_client("s3"), archive).get
    return DynamoEvidence(aws_client("dynamodb"), table, fetched=fetched)


def _write(file: IO[bytes], record: Record) -> None:
    file.write(orjson.dumps(record) + b"\n")


def _lines(file: IO[bytes]) -> Iterator[Record]:
    file.seek(0)
    for line in file:
        yield orjson.loads(line)


def _backwards(file: IO[bytes], places: Iterable[int]) -> Iterator[Record]:
    for at in sorted(places, reverse=True):
        file.seek(at)
        yield orjson.loads(file.readline())
