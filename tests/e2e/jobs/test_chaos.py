"""Workers die at random, Redis and the database and what carries the messages go away for a while, messages come twice, some
are poison: every job ends once, its costs add up, the dead letters are exactly the poison, and a redrive after the fix
completes them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
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
from router_core.errors import StoreError
from router_core.jobs.records import Job
from router_core.jobs.stages import ANSWERING, message_key
from tests.contract.redis.servers import Server, running_redis
from tests.contract.sql.servers import binary, running_mariadb, running_postgres
from tests.contract.sqs.site import Topics
from tests.e2e.jobs.crew import killed_crew
from tests.e2e.jobs.house import QUICK, job_house
from tests.e2e.jobs.outages import away, standing, waited
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
ASKED = 8
"""Requests that come while the database is away."""
_SUMMARY = select(
    func.count().label("jobs"),
    func.sum(HISTORY.c.runs).label("runs"),
    func.sum(HISTORY.c.cost_nano).label("cost_nano"),
    func.sum(HISTORY.c.repeated_nano).label("repeated_nano"),
)
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
    return {**aws_environment(carrier.sqs.meta.endpoint_url), "TIERWISE_JOBS__SNS": carrier.arn}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server | None]:
    """What shows live states, where it is installed."""
    if shutil.which("redis-server") is None:
        yield None
        return
    with running_redis(tmp_path) as server:
        yield server


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the jobs stand on, and for how long each part of it goes away."""

    url: str
    carrier: Topics | None
    redis: Server | None
    away_s: float

    @property
    def settings(self) -> dict[str, str]:
        live = {} if self.redis is None else {"TIERWISE_REDIS__URL": self.redis.url}
        return {"TIERWISE_JOBS__URL": self.url, **live, **carried_by(self.carrier)}

    def left(self) -> int:
        """Messages that somebody will still work on."""
        alive = select(func.count()).select_from(MESSAGES).where(MESSAGES.c.dead == 0)
        return int(_transact(self.url, lambda connection: connection.execute(alive).scalar()))

    @contextmanager
    def without_redis(self) -> Iterator[None]:
        if self.redis is not None:
            self.redis.pause()
        yield
        if self.redis is not None:
            self.redis.resume()


@pytest.fixture
def site(
    url: str, carrier: Topics | None, redis: Server | None, at_size: Callable[[float, float], float]
) -> Site:
    return Site(url=url, carrier=carrier, redis=redis, away_s=at_size(1.5, 30.0))


def test_every_job_ends_once_whatever_dies(
    tmp_path: Path,
    site: Site,
    request: pytest.FixtureRequest,
    at_size: Callable[[int, int], int],
    record_property: Callable[[str, object], None],
) -> None:
    url, carrier, began = site.url, site.carrier, time.monotonic()
    count = at_size(60, _FULL[request.node.callspec.params["url"]])
    poison, twice = max(2, count // 100), max(8, count // 20)
    environment = {
        **QUICK, **SECRETS, "TIERWISE_KEYS": json.dumps(KEYS), "JOBS_KEY": JOBS_KEY, **site.settings,
        "TIERWISE_JOBS__KEY": "env:JOBS_KEY", "TIERWISE_TARGETS__1__PRICE_OUT": "125", "TIERWISE_JOBS__WORKERS": "0",
        "TIERWISE_JOBS__TRIES": str(at_size(5, 8)), "TIERWISE_JOBS__RETRY_S": "0.1", "TIERWISE_JOBS__LENT_S": "2", "TIERWISE_POLICY__COPY": str(tmp_path / "p.json"),
    }  # fmt: skip
    with FaultServer(length=10) as upstream:
        # Slow enough that what goes away is missed.
        upstream.default = Fault(token_delay_s=0.05, length=10)
        with job_house(tmp_path, upstream, environment=environment) as house:
            places = accepted(house, count)
            disturb(url, places, poison, twice)
            repeat(carrier, places, twice)
            with killed_crew(tmp_path, 2, environment, kills=at_size(2, 10_000)) as crew:
                late = without(site, house, count + poison + twice)
                settle(site, count)
                assert crew.killed >= 1
            calls = len(upstream.requests)
            known = check(url, {*places, *late}, poison, calls)
            shown(house, site.redis, known)
        letters = queue(tmp_path, environment, "peek", "--state", "dead", "--limit", "10000")["messages"]
        # A worker that is killed while it reads poison leaves no reason of its own; the queue then gives it up.
        told = {letter["reason"] for letter in letters}
        assert all(reason == "JSONDecodeError" or reason.startswith("given up after") for reason in told)
        assert {letter["request_id"] for letter in letters} == poisoned(poison)
        assert carrier is None or carrier.counts(ANSWERING + DEAD) == (poison, 0)
        mend(url, poisoned(poison))
        assert queue(tmp_path, environment, "redrive")["redriven"] == poison
        with killed_crew(tmp_path, 1, environment, kills=0):
            settle(site, count)
        check(url, {*places, *late, *poisoned(poison)}, 0, len(upstream.requests))
        assert carrier is None or carrier.counts(ANSWERING + DEAD) == (0, 0)
    summary = _transact(url, lambda connection: connection.execute(_SUMMARY).mappings().one())
    # For the documents: `pytest --junitxml=FILE` keeps them.
    for name, figure in {
        "seconds": time.monotonic() - began,
        "killed": crew.killed,
        "calls": calls,
        **summary,
    }.items():
        record_property(name, figure)


def without(site: Site, house: House, messages: int) -> list[str]:
    """Redis goes away, then also the database, then what carries the messages; the ids of requests that were accepted
    meanwhile."""
    # Some has been done and most is left: the queue also holds what comes twice.
    assert waited(lambda: site.left() <= 0.95 * messages, 180.0)
    with site.without_redis():
        assert waited(lambda: site.left() <= 0.8 * messages, 180.0)
        assert site.left() > 0
        with ThreadPoolExecutor(1) as pool, away(site.url)():
            asked = pool.submit(meanwhile, house)
            time.sleep(site.away_s)
        late = asked.result()
    if site.carrier is not None:
        with standing(site.carrier.sqs.meta.endpoint_url):
            time.sleep(site.away_s)
    return late


def meanwhile(house: House) -> list[str]:
    """Ask while the database is away: whoever is told 202 is served, whoever is told 503 knows."""

    def one(_: int) -> str | None:
        with house.client() as client:
            reply = client.post("/inference", json=near_only(mode="async"), timeout=60.0)
        assert reply.status_code in (202, 503), reply.text
        return reply.json()["request_id"] if reply.status_code == 202 else None

    with ThreadPoolExecutor(4) as pool:
        return [request_id for request_id in pool.map(one, range(ASKED)) if request_id is not None]


def shown(house: House, redis: Server | None, known: set[str]) -> None:
    """What callers are told is how it ended, also where Redis missed the end; its states go by themselves."""
    with house.client() as client:
        for request_id in sorted(known)[:50]:
            assert client.get(f"/inference/{request_id}").json()["stage"] == "COMPLETED"
    if redis is None:
        return
    names = {f"tierwise:default:request:{request_id}".encode() for request_id in known}
    held = names & set(redis.client.keys("tierwise:default:request:*"))
    assert held
    assert all(0 < redis.client.ttl(name) <= 7 * 86_400 for name in sorted(held)[:50])


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


def settle(site: Site, count: int) -> None:
    """Until no message is left but dead ones."""
    deadline = time.monotonic() + 120.0 + count * 0.3
    while True:
        with suppress(StoreError):
            if not (alive := site.left()):
                return
            assert time.monotonic() < deadline, f"{alive} messages are left"
        time.sleep(0.25)


def check(url: str, asked: set[str], poison: int, calls: int) -> set[str]:
    """Exactly one terminal state each, and money for every call that anybody lived to tell of. The ids of those that
    ended well."""
    rows = _transact(url, lambda connection: list(connection.execute(select(HISTORY)).mappings()))
    done = [row for row in rows if row["stage"] == "COMPLETED"]
    known = {row["request_id"] for row in done}
    assert {row["request_id"] for row in rows if row["stage"] != "COMPLETED"} == (
        poisoned(poison) if poison else set()
    )
    assert {row["stage"] for row in rows} == ({"COMPLETED", "FAILED"} if poison else {"COMPLETED"})
    # Who was told 503 because nobody knew how it ended may have been accepted all the same.
    assert asked <= known and len(known - asked - poisoned(max(2, len(asked) // 100))) <= ASKED
    nano = round(PRICE_USD * 1e9)
    assert {row["cost_nano"] for row in done} == {nano}
    assert all(row["answer"] is not None and row["request"] is None for row in done)
    told = sum(row["cost_nano"] + row["repeated_nano"] for row in rows)
    assert told % nano == 0
    runs = sum(row["runs"] for row in done)
    # A call that was made and never told of belongs to a run that was begun and counted.
    assert len(done) <= told // nano <= calls <= runs
    return known


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
