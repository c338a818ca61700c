"""A gateway that keeps its jobs on disk, in a folder where it can be started again after it was killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.lifecycle.house import House, near_only, open_house, until
from tests.upstream.server import FaultServer

LENT_S = 1.0
QUICK: Mapping[str, str] = {"TIERWISE_JOBS__LENT_S": f"{LENT_S:g}"}
"""A short lease, so that what a killed process had claimed comes back soon."""


@contextmanager
def job_house(
    folder: Path, upstream: FaultServer, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[House]:
    """`tierwise serve` whose upstream is also the test's; killed inside, it leaves without a word."""
    with open_house(folder, upstream, *arguments, environment={**QUICK, **(environment or {})}) as house:
        yield house


def accept(client: httpx2.Client, **more: Any) -> str:
    """One accepted request: where to look for it."""
    reply = client.post("/inference", json=near_only(mode="async", **more))
    assert reply.status_code == 202, reply.text
    return reply.headers["location"]


def ended(client: httpx2.Client, places: Iterable[str]) -> list[dict[str, Any]]:
    """What each job says once it is over."""
    return [until(partial(_over, client, place)) for place in places]


def _over(client: httpx2.Client, place: str) -> dict[str, Any] | None:
    answer: dict[str, Any] = client.get(place).json()
    return answer if answer["stage"] in ("COMPLETED", "FAILED") else None


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the database of a folder holds."""
    with closing(sqlite3.connect(folder / "var" / "jobs.db", timeout=10.0)) as connection:
        return connection.execute(sql).fetchall()
