"""Several serving processes on one socket: forked from a parent that stays light, restarted when they die.

The parent holds no event loop and no thread, which is what makes forking safe. Each worker has its own memory:
limits per key are divided among them, and caches, fetched answers and idempotency keys are not shared, unless the settings
name a Redis for what workers have in common (`gateway/composition/stores.py`).
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from gateway.cli.output import fail, note
from gateway.composition.plan import Plan, PlannedKey

STEADY_S: Final = 30.0
"""A worker that lived so long starts again at once."""
LONGEST_WAIT_S: Final = 10.0
KILL_AFTER_S: Final = 5.0
_TICK_S: Final = 0.1


def serve_many(
    made: Plan, listener: socket.socket, ready: Callable[[], None], *, inherited: IO[bytes] | None
) -> int:
    """Run `server.workers` processes until a signal; `inherited` is a pipe that only the parent may hold open."""
    run_dir = Path(tempfile.mkdtemp(prefix="tierwise-"))
    made = replace(share_of(made, made.settings.server.workers), run_dir=run_dir)
    crew = _Crew(made, listener, inherited)
    for which in (signal.SIGTERM, signal.SIGINT):
        signal.signal(which, crew.stop)
    try:
        for number in range(made.settings.server.workers):
            crew.start(number)
        if not crew.await_ready():
            return 1
        ready()
        crew.watch()
        return 0
    finally:
        crew.end()
        shutil.rmtree(run_dir, ignore_errors=True)


def share_of(made: Plan, workers: int) -> Plan:
    """The plan of one of several workers: each key's limits divided, rounded up so that none becomes zero."""

    def part(limit: int | None) -> int | None:
        return None if limit is None else -(-limit // workers)

    def divided(key: PlannedKey) -> PlannedKey:
        limits = key.settings
        return replace(
            key,
            settings=replace(
                limits,
                requests_per_min=part(limits.requests_per_min),
                tokens_per_min=part(limits.tokens_per_min),
            ),
        )

    return replace(made, keys=tuple(divided(key) for key in made.keys))


@dataclass(slots=True)
class _Worker:
    """One place in the crew; `fails` counts quick deaths in a row."""

    pid: int = 0
    born_s: float = 0.0
    fails: int = 0
    due_s: float | None = None


@dataclass(slots=True)
class _Crew:
    made: Plan
    listener: socket.socket
    inherited: IO[bytes] | None
    workers: dict[int, _Worker] = field(default_factory=dict)
    stopping: bool = False
    ready_pipe: tuple[int, int] = field(default_factory=os.pipe)
    alive_pipe: tuple[int, int] = field(default_factory=os.pipe)

    def start(self, number: int) -> None:
        """Fork one worker."""
        worker = self.workers.setdefault(number, _Worker())
        worker.born_s, worker.due_s = time.monotonic(), None
        sys.stdout.flush()
        worker.pid = os.fork()
        if worker.pid == 0:
            os._exit(self._work(number))

    def _work(self, number: int) -> int:
        """The child's whole life. It must never return into the parent's code, whatever happens."""
        try:
            for signal_number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signal_number, signal.SIG_DFL)
            os.close(self.ready_pipe[0])
            os.close(self.alive_pipe[1])
            if self.inherited is not None:
                # Held open here it would keep the stand-ins alive after the parent is gone.
                os.close(self.inherited.fileno())
            from gateway.serve_worker import serve_one

            return serve_one(
                self.made,
                self.listener,
                lambda: _tell(self.ready_pipe[1]),
                worker=str(number),
                parent=self.alive_pipe[0],
            )
        except Exception as error:
            return fail(error, as_json=False)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def await_ready(self) -> bool:
        """Wait until every worker listens; False when one ended before, or a signal came."""
        missing = len(self.workers)
        while missing and not self.stopping:
            if select.select([self.ready_pipe[0]], [], [], _TICK_S)[0]:
                missing -= len(os.read(self.ready_pipe[0], missing))
            if self._reap():
                return False
        return not self.stopping

    def watch(self) -> None:
        """Restart workers that die, waiting longer after each quick death, until told to stop."""
        while not self.stopping:
            for number in self._reap():
                self._schedule(self.workers[number])
            now = time.monotonic()
            for number, worker in self.workers.items():
                if worker.due_s is not None and worker.due_s <= now:
                    self.start(number)
            time.sleep(_TICK_S)

    def stop(self, _signal: int, _frame: FrameType | None) -> Any:
        """Pass the signal on; a second one reaches the workers as a second one."""
        self.stopping = True
        for worker in self.workers.values():
            _kill(worker.pid, signal.SIGTERM)

    def end(self) -> None:
        """Stop whoever is left and wait; a worker that does not drain in time is killed."""
        self.stop(signal.SIGTERM, None) if not self.stopping else None
        deadline = time.monotonic() + self.made.settings.server.drain_s + KILL_AFTER_S
        while any(worker.pid for worker in self.workers.values()):
            self._reap()
            if time.monotonic() > deadline:
                for worker in self.workers.values():
                    _kill(worker.pid, signal.SIGKILL)
            time.sleep(_TICK_S / 2)
        for end in (*self.ready_pipe, *self.alive_pipe):
            os.close(end)

    def _schedule(self, worker: _Worker) -> None:
        now = time.monotonic()
        worker.fails = 0 if now - worker.born_s >= STEADY_S else worker.fails + 1
        worker.due_s = now + min(LONGEST_WAIT_S, 0.25 * 2.0 ** (worker.fails - 1) if worker.fails else 0.0)
        note("tierwise: a worker ended unexpectedly and is started again")

    def _reap(self) -> list[int]:
        """Places whose process has ended since the last look."""
        ended: list[int] = []
        for number, worker in self.workers.items():
            if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]:
                worker.pid = 0
                ended.append(number)
        return ended


def _tell(pipe: int) -> None:
    # Nobody listens any more when the parent is past its start: a restarted worker reports in vain.
    with contextlib.suppress(OSError):
        os.write(pipe, b".")


def _kill(pid: int, number: int) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
