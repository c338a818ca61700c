"""What a cold function costs before its first answer: interpreter and import, each time in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Effort, Table, median, shown
from router_core.deployment import STAGE
from tests.parity.cases import TARGETS
from tests.parity.site import CREDENTIALS, Clock, House, environment
from tests.parity.test_parity import CASES, request_of

GOAL_MS: Final = 400
_PROGRAM: Final = """
import json, sys, time
began = time.perf_counter(), time.process_time()
import gateway.hosts.aws_lambda as host
event = json.load(open(sys.argv[1]))
class Context:
    def get_remaining_time_in_millis(self): return 29000
host.handler(event, Context())
print(json.dumps([time.perf_counter() - began[0], time.process_time() - began[1]]))
"""
_NOTE: Final = """\
Process start to the first result, medians of {rounds}: what Lambda calls a cold start, without fetching the code and
starting a machine, which only AWS can show. "first event" is the import of everything the event needs and the event
itself. The goal is {goal} ms for the router, held against the CPU time of its first event, because other programs use this
machine's cores."""


def table(folder: Path, effort: Effort) -> tuple[float, Table]:
    """CPU milliseconds of a cold router's first event, and the table."""
    environ = environment(dict.fromkeys(TARGETS, "http://127.0.0.1:9"), folder)
    rounds = 2 * effort.rounds + 1
    found = {
        stage: [_once(environ, stage, file) for _ in range(rounds)]
        for stage, file in _events(environ, folder).items()
    }
    rows = []
    for stage, runs in found.items():
        whole, wall, cpu = (f"{shown(median([one[at] for one in runs]) * 1e3)} ms" for at in range(3))
        rows.append((stage, whole, wall, cpu))
    router_ms = median([one[2] for one in found["router"]]) * 1e3
    note = _NOTE.format(rounds=rounds, goal=GOAL_MS)
    header = ("function", "whole process", "first event", "first event, CPU")
    return router_ms, Table(title="Hosts: cold functions", header=header, rows=tuple(rows), note=note)


def _events(environ: dict[str, str], folder: Path) -> dict[str, Path]:
    """What each function is given first: stages a payload, the door a question about its health."""
    house = House(environ)
    payload: dict[str, Any] = {"request": request_of(CASES[45])}
    events: dict[str, Any] = {}
    for stage in ("context", "resource", "router"):
        events[stage] = payload
        payload = house.host(stage)(payload, Clock())
    house.close()
    events["api"] = {"httpMethod": "GET", "path": "/health/liveness", "multiValueHeaders": {}, "body": None}
    files = {stage: folder / f"{stage}.json" for stage in events}
    for stage, file in files.items():
        file.write_text(json.dumps(events[stage]))
    return files


def _once(environ: dict[str, str], stage: str, event: Path) -> tuple[float, float, float]:
    """Seconds of the whole process, of its first event, and of the latter's CPU."""
    known = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.getcwd(),
        "AWS_REGION": "eu-central-1",
        **CREDENTIALS,
    }
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(event)],
        env={**known, **environ, STAGE: stage},
        check=True,
        capture_output=True,
        text=True,
    )
    whole = time.perf_counter() - began
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return whole, wall, cpu
