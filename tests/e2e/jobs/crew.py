"""Worker processes beside a gateway, killed -9 at random and replaced, as a machine that fails all day would do."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.faults.settings_file import CREDENTIALS

MEAN_S = 5.0


class Crew:
    """`count` workers in `folder`, with the gateway's settings file and variables."""

    def __init__(self, folder: Path, count: int, environment: Mapping[str, str]) -> None:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("TIERWISE_", "AWS_"))}
        self._environment = {**kept, **CREDENTIALS, **environment}
        self._folder = folder
        self._processes = [self._start() for _ in range(count)]
        self._over = threading.Event()
        self.killed = 0

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gateway", "worker", "inference", "judge", "webhook"]
        with (self._folder / "workers.txt").open("ab") as log:
            return subprocess.Popen(
                [*command, "--config", "tierwise.toml"],
                cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill_at_random(self, chance: random.Random, most: int) -> None:
        """So often, or until the crew ends: wait, kill one, put another in its place. The first dies at once: a fast
        machine would have done all the work before a later one."""
        while self.killed < most and not self._over.wait(
            chance.uniform(0.5, 1.5) * MEAN_S * (self.killed > 0)
        ):
            place = chance.randrange(len(self._processes))
            self._processes[place].kill()
            self._processes[place].wait()
            ready = self._ready()
            self._processes[place] = self._start()
            self.killed += 1
            # On a slow machine all would die before they began.
            while self._ready() == ready and not self._over.wait(0.1):
                pass

    def end(self) -> None:
        """Stop killing, then stop the workers."""
        self._over.set()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def said(self) -> str:
        """What workers wrote."""
        return (self._folder / "workers.txt").read_text(errors="replace")

    def _ready(self) -> int:
        return self.said.count("tierwise worker ready")

    def await_ready(self, count: int = 1) -> None:
        """Until so many workers have said that they work."""
        deadline = time.monotonic() + 60.0
        while self._ready() < count:
            assert time.monotonic() < deadline, self.said[-2000:]
            time.sleep(0.05)


@contextmanager
def killed_crew(
    folder: Path, count: int, environment: Mapping[str, str], *, kills: int, seed: int = 11
) -> Iterator[Crew]:
    """Workers of whom one is killed every few seconds, `kills` times at most."""
    crew = Crew(folder, count, environment)
    killer = threading.Thread(target=crew.kill_at_random, args=(random.Random(seed), kills))
    try:
        crew.await_ready(count)
        killer.start()
        yield crew
    finally:
        crew.end()
        if killer.is_alive():
            killer.join()
