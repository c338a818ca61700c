"""A gateway that only accepts, workers beside it, and the database between them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, create_engine, delete, func, select

from benchmarks.processes import Program, cpu_s, free_port, running, wait_until_open
from benchmarks.site import KEY, Site, write_settings
from router_core.adapters.sql.database import database_url
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.jobs.stages import COMPLETED

PATIENCE_S: Final = 300.0
_BODY: Final = json.dumps({"input": "Which of the two?", "mode": "async", "task": "chat"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Where jobs are kept, and how to look into it."""

    name: str
    url: str
    engine: Engine

    def done(self) -> int:
        """Jobs that have ended well."""
        with self.engine.connect() as connection:
            found = connection.execute(
                select(func.count()).select_from(HISTORY).where(HISTORY.c.stage == COMPLETED)
            )
            return int(found.scalar_one())

    def empty(self) -> None:
        """Forget all jobs."""
        with self.engine.begin() as connection:
            for table in (MESSAGES, HISTORY):
                connection.execute(delete(table))

    def times_s(self) -> list[float]:
        """From accepted to ended, of every job."""
        taken = select(HISTORY.c.changed_s - HISTORY.c.created_s).where(HISTORY.c.stage == COMPLETED)
        with self.engine.connect() as connection:
            return [float(row[0]) for row in connection.execute(taken)]

    def await_all(self, count: int) -> None:
        """Until so many jobs have ended. Raises RuntimeError when it takes too long."""
        until = time.monotonic() + PATIENCE_S
        while self.done() < count:
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name}: jobs did not end in time")
            time.sleep(0.05)


class House:
    """A gateway over one store. It runs no job itself."""

    def __init__(self, folder: Path, upstream: str, store: Store, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.site = Site(folder=folder, upstream=upstream, port=free_port())
        self._settings = write_settings(self.site)
        self._environ = {
            **self.site.environ,
            "TIERWISE_JOBS__URL": store.url,
            "TIERWISE_JOBS__KEY": "env:BENCH_KEY",
            "TIERWISE_JOBS__WORKERS": "0",
            "TIERWISE_JOBS__MAX_WAITING": "1000000",
        }
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self._settings)]
        gateway = stack.enter_context(running(command, folder / "gateway.log", self._environ))
        wait_until_open(gateway, self.site.port, 30)
        self._line = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=30)

    def accept(self, count: int, every_s: float = 0.0) -> list[float]:
        """So many requests one after another; how long each took to be accepted, in seconds."""
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            self._line.request("POST", "/inference", _BODY, headers)
            reply = self._line.getresponse()
            said = reply.read()
            if reply.status != 202:
                raise RuntimeError(f"not accepted: {reply.status} {said[:200]!r}")
            taken.append(time.perf_counter() - began)
            if every_s:
                time.sleep(max(0.0, every_s - taken[-1]))
        return taken

    @contextmanager
    def workers(self, count: int, at_once: int) -> Iterator[Workers]:
        """Worker processes, ready."""
        command = [sys.executable, "-m", "gateway", "worker", "inference", "--concurrency", str(at_once)]
        with ExitStack() as stack:
            crew = [
                stack.enter_context(
                    running(
                        [*command, "--config", str(self._settings)],
                        self._folder / f"worker{n}.log",
                        self._environ,
                    )
                )
                for n in range(count)
            ]
            until = time.monotonic() + 60.0
            while any("ready" not in one.said() for one in crew):
                if time.monotonic() > until:
                    raise RuntimeError(f"workers are not ready: {crew[0].said()}")
                time.sleep(0.02)
            yield Workers(crew)


class Workers:
    """What the workers use of the machine."""

    def __init__(self, crew: list[Program]) -> None:
        self._crew = crew

    @contextmanager
    def standing(self) -> Iterator[None]:
        """They stand still."""
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for one in self._crew:
                os.killpg(one.process.pid, number)
            if number == signal.SIGSTOP:
                yield

    def cpu_s(self) -> float:
        """CPU seconds of all of them until now."""
        return sum(cpu_s(one.process.pid) for one in self._crew)


def store_at(name: str, url: str) -> Store:
    """The store behind an address."""
    return Store(name=name, url=url, engine=create_engine(database_url(url, None)))
