"""Measures jobs on SQLite and, where it is installed, on PostgreSQL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final

from sqlalchemy import String, cast, insert, join, literal, select, true

from benchmarks.figures import Effort, Section, SkippedError, Table, percentile, shown
from benchmarks.jobs.site import House, Store, store_at
from benchmarks.own_upstream import own_upstream
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from tests.contract.sql.servers import binary, running_postgres

SLOW_S: Final = 0.2
AT_ONCE: Final = 4
DEEP: Final = 100_000
_JOBS: Final = """\
{count} jobs, accepted by a gateway that runs none and done by worker processes of {at_once} jobs at once, on one machine with the
database (PostgreSQL without fsync, as the tests start it). "jobs/s" is one worker with a model that answers at once, "per core"
counts its CPU time alone; "end to end" is one job each 50 ms, from accepted to ended. With a model of 200 ms, "1 -> 4" is how
many times more four workers do than one."""
_DEPTH: Final = """\
What it takes to add a request to the queue, from the request to its 202, one after another, with so many before it."""


@dataclass(slots=True)
class Found:
    """Rows of both tables, and why a store is left out."""

    works: list[tuple[str, ...]] = field(default_factory=list)
    depths: list[tuple[str, ...]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


def measure(effort: Effort) -> Section:
    """Sizes follow the effort's calls."""
    count, deep = max(60, effort.calls // 2), max(2_000, DEEP * effort.calls // 4_000)
    found = Found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "slow").mkdir()
        instant = stack.enter_context(own_upstream(folder))
        slow = stack.enter_context(own_upstream(folder / "slow", SLOW_S))
        for opened in (_sqlite, _postgres):
            try:
                store = stack.enter_context(opened(folder))
            except SkippedError as error:
                found.skipped.append(str(error))
                continue
            row, found.figures = _work(store, folder / store.name, instant, slow, count)
            found.works.append(row)
            found.depths.append(_deep(store, folder / store.name, instant, deep))
    return Section(
        name="jobs",
        tables=(
            Table(
                title="Asynchronous jobs",
                header=(
                    "store",
                    "jobs/s",
                    "per core",
                    "end to end p50 / p99",
                    "jobs/s at 200 ms, 1 worker",
                    "4 workers",
                    "1 -> 4",
                ),
                rows=tuple(found.works),
                note=_JOBS.format(count=count, at_once=AT_ONCE),
            ),
            Table(
                title="Adding to a long queue: p50 / p99 in ms",
                header=("store", "empty", f"{deep:,} waiting"),
                rows=tuple(found.depths),
                note=_DEPTH,
            ),
        ),
        figures=found.figures,
        skipped=tuple(found.skipped),
    )


@contextmanager
def _sqlite(folder: Path) -> Iterator[Store]:
    yield store_at("SQLite", f"sqlite:///{folder / 'jobs.db'}")


@contextmanager
def _postgres(_: Path) -> Iterator[Store]:
    if binary("initdb") is None:
        raise SkippedError("PostgreSQL is not installed")
    with running_postgres() as url:
        yield store_at("PostgreSQL", url)


def _work(
    store: Store, folder: Path, instant: str, slow: str, count: int
) -> tuple[tuple[str, ...], dict[str, float]]:
    with ExitStack() as stack:
        house = House(folder / "instant", instant, store, stack)
        rate, per_core = _rate(house, store, 1, count)
        store.empty()
        with house.workers(1, AT_ONCE):
            _warm(house, store, 1)
            house.accept(max(20, count // 10), every_s=0.05)
            store.await_all(max(20, count // 10))
        times = store.times_s()
        store.empty()
    with ExitStack() as stack:
        house = House(folder / "slow", slow, store, stack)
        one, _ = _rate(house, store, 1, max(40, count // 10))
        store.empty()
        four, _ = _rate(house, store, 4, max(160, 4 * count // 10))
        store.empty()
    p50, p99 = (1000.0 * percentile(times, share) for share in (0.5, 0.99))
    row = (
        store.name,
        shown(rate),
        shown(per_core),
        f"{shown(p50)} / {shown(p99)} ms",
        shown(one),
        shown(four),
        f"{four / one:.2f} x",
    )
    return row, {"jobs_scaling": four / one}


def _rate(house: House, store: Store, workers: int, count: int) -> tuple[float, float]:
    """Jobs a second, and jobs per CPU second of the workers, of a queue that is full when they begin: they are warm, and
    stand still while it is filled."""
    with house.workers(workers, AT_ONCE) as crew:
        _warm(house, store, workers)
        with crew.standing():
            house.accept(count)
        cpu, began = crew.cpu_s(), perf_counter()
        store.await_all(count)
        took, used = perf_counter() - began, crew.cpu_s() - cpu
    return count / took, count / max(used, 1.0 / os.sysconf("SC_CLK_TCK"))


def _warm(house: House, store: Store, workers: int) -> None:
    house.accept(10 * workers)
    store.await_all(10 * workers)
    store.empty()


def _deep(store: Store, folder: Path, upstream: str, deep: int) -> tuple[str, ...]:
    with ExitStack() as stack:
        house = House(folder / "deep", upstream, store, stack)
        house.accept(20)
        empty = house.accept(200)
        _fill(store, deep)
        house.accept(20)
        full = house.accept(200)
        store.empty()
    cells = [
        f"{shown(1e3 * percentile(one, 0.5))} / {shown(1e3 * percentile(one, 0.99))}" for one in (empty, full)
    ]
    return (store.name, *cells)


def _fill(store: Store, count: int) -> None:
    """Copies of one waiting job, whose text nobody will open."""
    numbers = select(literal(1).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < count))
    name = literal("job-").concat(cast(numbers.c.n, String))
    with store.engine.begin() as connection:
        one = connection.execute(select(HISTORY.c.request_id).limit(1)).scalar_one()
        for table in (HISTORY, MESSAGES):
            columns = [column for column in table.c if column.name != "id"]
            changed = {"request_id": name, "key": name.concat("/inference")}
            values = [changed.get(column.name, column) for column in columns]
            copies = (
                select(*values).select_from(join(table, numbers, true())).where(table.c.request_id == one)
            )
            connection.execute(insert(table).from_select(columns, copies))
