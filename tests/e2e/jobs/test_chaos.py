"""Workers die at random, messages come twice, some are poison: every job ends once, its costs add up, the dead letters are
exactly the poison, and a redrive after the fix completes them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from gateway.composition.jobs_store import open_sql
from router_core.adapters.sql.database import Database, database_url, transact
from router_core.adapters.sql.sealed import Sealer, derived_key
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.adapters.sqs.carrier import DEAD
from router_core.adapters.sqs.notes import Note, body_of
from router_core.adapters.system_clock import SystemClock
from router_core.jobs.records import Job
from router_core.jobs.stages import ANSWERING, message_key
from tests.contract.sql.servers import binary, running_mariadb, running_postgres
from tests.contract.sqs.site import Topics
from tests.e2e.jobs.crew import killed_crew
from tests.e2e.jobs.house import QUICK, job_house
from tests.e2e.lifecycle.house import KEYS, SECRETS, House, near_only
from tests.localmoto import environment as aws_environment
from tests.localmoto import running_moto
from tests.upstream.server import Fault, FaultServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.proof,
    pytest.mark.xdist_group("jobs"),
    pytest.mark.timeout(1800),
]
JOBS_KEY = "the-key-that-seals-jobs-in-this-test"
PRICE_USD = 0.00125
"""Of one call: ten completion tokens at 125 USD a million."""
_SERVERS = {"postgresql": ("initdb", running_postgres), "mariadb": ("mariadb-install-db", running_mariadb)}
_FULL = {"sqlite": 1_000, "sqs": 1_000, "postgresql": 10_000, "mariadb": 1_000}
"""`sqs`: SQLite, with the messages carried by a local SNS and SQS."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every day over SQLite and SQS, whole over the servers, too; `tests/contract/sql` holds the servers' own promises."""
    if "url" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--proof")
        metafunc.parametrize("url", [*_FULL] if whole else ["sqlite", "sqs"], indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param in ("sqlite", "sqs"):
        (tmp_path / "var").mkdir()
        yield f"sqlite:///{tmp_path / 'var' / 'jobs.db'}"
        return
    program, running = _SERVERS[request.param]
    if binary(program) is None:
        pytest.skip(f"{request.param} is not installed here ({program})")
    with ExitStack() as stack:
        yield stack.enter_context(running())


@pytest.fixture
def carrier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Topics | None]:
    """What carries the messages, where that is not the database."""
    if request.node.callspec.params["url"] != "sqs":
        yield None
        return
    with running_moto(tmp_path) as endpoint:
        topics = Topics(endpoint)
        yield topics
        topics.close()


def carried_by(carrier: Topics | None) -> dict[str, str]:
    """The settings for it."""
    if carrier is None:
        return {}
    endpoint: str = carrier.sqs.meta.endpoint_url
    return {**aws_environment(endpoint), "TIERWISE_JOBS__SNS": carrier.arn}


def test_every_job_ends_once_whatever_dies(
    tmp_path: Path,
    url: str,
    carrier: Topics | None,
    request: pytest.FixtureRequest,
    at_size: Callable[[int, int], int],
) -> None:
    count = at_size(60, _FULL[request.node.callspec.params["url"]])
    poison, twice = max(2, count // 100), max(8, count // 20)
    environment = {
        **QUICK, **SECRETS, "TIERWISE_KEYS": json.dumps(KEYS), "JOBS_KEY": JOBS_KEY, "TIERWISE_JOBS__URL": url,
        "TIERWISE_JOBS__KEY": "env:JOBS_KEY", "TIERWISE_TARGETS__1__PRICE_OUT": "125", "TIERWISE_JOBS__WORKERS": "0",
        "TIERWISE_JOBS__TRIES": str(at_size(5, 8)), "TIERWISE_JOBS__RETRY_S": "0.1", "TIERWISE_JOBS__LENT_S": "2", "TIERWISE_POLICY__COPY": str(tmp_path / "p.json"),
        **carried_by(carrier),
    }  # fmt: skip
    with FaultServer(length=10) as upstream:
        upstream.default = Fault(token_delay_s=0.01, length=10)
        with job_house(tmp_path, upstream, environment=environment) as house:
            places = accepted(house, count)
            disturb(url, places, poison, twice)
            repeat(carrier, places, twice)
            with killed_crew(tmp_path, 2, environment, kills=at_size(2, 10_000)) as crew:
                settle(url, count)
                assert crew.killed >= 1
        calls = len(upstream.requests)
        check(url, count, poison, calls)
        letters = queue(tmp_path, environment, "peek", "--state", "dead", "--limit", "10000")["messages"]
        # A worker that is killed while it reads poison leaves no reason of its own; the queue then gives it up.
        told = {letter["reason"] for letter in letters}
        assert all(reason == "JSONDecodeError" or reason.startswith("given up after") for reason in told)
        assert {letter["request_id"] for letter in letters} == poisoned(poison)
        assert carrier is None or carrier.counts(ANSWERING + DEAD) == (poison, 0)
        mend(url, poisoned(poison))
        assert queue(tmp_path, environment, "redrive")["redriven"] == poison
        with killed_crew(tmp_path, 1, environment, kills=0):
            settle(url, count)
        check(url, count, 0, len(upstream.requests))
        assert carrier is None or carrier.counts(ANSWERING + DEAD) == (0, 0)


def accepted(house: House, count: int) -> list[str]:
    """The ids of so many accepted requests."""

    def some(number: int) -> list[str]:
        with house.client() as client:
            replies = [
                client.post("/inference", json=near_only(mode="async")) for _ in range(number, count, 4)
            ]
        assert {reply.status_code for reply in replies} == {202}
        return [reply.json()["request_id"] for reply in replies]

    with ThreadPoolExecutor(4) as pool:
        return [request_id for part in pool.map(some, range(4)) for request_id in part]


def poisoned(poison: int) -> set[str]:
    return {f"req_poison_{number}" for number in range(poison)}


def disturb(url: str, places: list[str], poison: int, twice: int) -> None:
    """Add jobs that no worker can read, and for some jobs a message that says the same again, or comes too early."""

    async def add() -> None:
        opened = await asyncio.to_thread(open_sql, url, None, JOBS_KEY, SystemClock())
        for request_id in sorted(poisoned(poison)):
            await opened.history.create(
                Job(request_id=request_id, tenant="acme", created_s=time.time(), size=3, request=b"{}}")
            )
        await opened.close()

    asyncio.run(add())
    chance, now = random.Random(3), time.time()

    def act(connection: Connection) -> None:
        for request_id in chance.sample(places, twice):
            queue = chance.choice(("inference", "judge", "webhook"))
            connection.execute(
                insert(MESSAGES).values(
                    key=f"{request_id}/{queue}/again", queue=queue, request_id=request_id, queued_s=now,
                    visible_s=now + chance.uniform(0.0, 3.0), dead=0, tries=0,
                )
            )  # fmt: skip

    _transact(url, act)


def repeat(carrier: Topics | None, places: list[str], twice: int) -> None:
    """For some jobs, notes that SNS delivers twice; what nobody of ours wrote is left to the contract's own suite."""
    if carrier is not None:
        chance = random.Random(4)
        for request_id in chance.sample(places, twice):
            key = message_key(request_id, ANSWERING)
            carrier.put(ANSWERING, body_of(Note(key=key, queue=ANSWERING, request_id=request_id)))


def settle(url: str, count: int) -> None:
    """Until no message is left but dead ones."""
    deadline = time.monotonic() + 60.0 + count * 0.3
    left = select(func.count()).select_from(MESSAGES).where(MESSAGES.c.dead == 0)
    while alive := _transact(url, lambda connection: connection.execute(left).scalar()):
        assert time.monotonic() < deadline, f"{alive} messages are left"
        time.sleep(0.25)


def check(url: str, count: int, poison: int, calls: int) -> None:
    """Exactly one terminal state each, and money for every call that anybody lived to tell of."""
    rows = _transact(url, lambda connection: list(connection.execute(select(HISTORY)).mappings()))
    total = count + max(2, count // 100)
    assert Counter(row["stage"] for row in rows) == Counter(
        {"COMPLETED": total - poison, **({"FAILED": poison} if poison else {})}
    )
    done = [row for row in rows if row["stage"] == "COMPLETED"]
    nano = round(PRICE_USD * 1e9)
    assert {row["cost_nano"] for row in done} == {nano}
    assert all(row["answer"] is not None and row["request"] is None for row in done)
    told = sum(row["cost_nano"] + row["repeated_nano"] for row in rows)
    assert told % nano == 0
    runs = sum(row["runs"] for row in done)
    # A call that was made and never told of belongs to a run that was begun and counted.
    assert len(done) <= told // nano <= calls <= runs


def mend(url: str, ids: set[str]) -> None:
    """What was wrong with the poison is put right: its request can be read."""
    good = _a_request()
    sealer = Sealer((derived_key(JOBS_KEY),))

    def act(connection: Connection) -> None:
        for request_id in ids:
            text = json.dumps({**good, "request_id": request_id}).encode()
            sealed = sealer.seal(text, f"acme/{request_id}/request")
            connection.execute(
                update(HISTORY).where(HISTORY.c.request_id == request_id).values(request=sealed)
            )

    _transact(url, act)


def _a_request() -> dict[str, Any]:
    return {
        "request_id": "", "received_s": time.time(), "caller": {"tenant": "acme", "key_id": "acme"}, "asynchronous": True,
        "messages": [{"role": "user", "content": "Tell me about trees."}], "preferences": {"tiers": ["mec"]},
    }  # fmt: skip


def queue(folder: Path, environment: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """What `tierwise queue ARGUMENTS --json` says."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "queue", *arguments, "--config", "tierwise.toml", "--json"],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _transact(url: str, act: Callable[[Connection], Any]) -> Any:
    database = Database(database_url(url, None))
    try:
        return transact(database.engine, act)
    finally:
        database.engine.dispose()
