"""What the device's client costs: its import, one decision, one command on the device, and the memory of all that.

Measured in a process of its own, because its memory and its imports are what is asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Final

from benchmarks.device import model as device_model
from benchmarks.figures import Effort, Section, Table, median, shown

LIMIT_S: Final = 300.0
_NOTE: Final = """\
One process with one thread for the model: the client without a gateway, on the packaged policy. "Decision" is signals,
filters and scores of a command, as `Client` makes it; "command" the whole call, with the model's answer and the report in
the outbox. Imports are medians of {rounds} processes, by CPU seconds, since the cores are shared."""
_IMPORT: Final = "import time; t = time.process_time(); {what}; print(time.process_time() - t)"
_WORK: Final = """
import asyncio, json, sys, tempfile, time
from pathlib import Path
import psutil
from edge_runtime import Client, Options
from edge_runtime.sdk.body import request_of
from router_core.inference import Device
from statistics import median, quantiles
count = int(sys.argv[1])
text = "please turn off the lights in the kitchen"
async def main(home):
    device = Device(battery=0.9, executes=True)
    async with Client(options=Options(home=Path(home), device=lambda: device)) as client:
        await client.warm()
        for _ in range(50):
            await client.command(text)
        decided, answered = [], []
        for _ in range(count):
            began = time.perf_counter()
            client.decide(text)
            decided.append(time.perf_counter() - began)
        for _ in range(count // 4):
            began = time.perf_counter()
            await client.command(text)
            answered.append(time.perf_counter() - began)
        print(json.dumps({
            "decide": [median(decided), quantiles(decided, n=100)[98]],
            "command": [median(answered), quantiles(answered, n=100)[98]],
            "memory": psutil.Process().memory_info().rss / 2**20,
        }))
with tempfile.TemporaryDirectory() as home:
    asyncio.run(main(home))
"""


def measure(effort: Effort) -> Section:
    """Imports, then one process that works, then the model itself."""
    rounds = 2 * effort.rounds + 1
    package = [_imported("import edge_runtime") for _ in range(rounds)]
    client = [_imported("from edge_runtime import Client") for _ in range(rounds)]
    found: dict[str, Any] = json.loads(_run(_WORK, str(effort.calls)))
    decided, answered = found["decide"], found["command"]
    model, figures = device_model.measured(effort)
    rows = (
        ("`import edge_runtime`", f"{shown(median(package))} s", ""),
        ("`from edge_runtime import Client`", f"{shown(median(client))} s", ""),
        ("decision", f"{shown(decided[0] * 1e3)} ms", f"{shown(decided[1] * 1e3)} ms"),
        ("command", f"{shown(answered[0] * 1e3)} ms", f"{shown(answered[1] * 1e3)} ms"),
        ("memory of the process, model open", f"{shown(found['memory'])} MB", ""),
    )
    return Section(
        name="device",
        tables=(
            Table(
                title="Device client",
                header=("what", "p50", "p99"),
                rows=rows,
                note=_NOTE.format(rounds=rounds),
            ),
            *model,
        ),
        figures=figures,
    )


def _imported(what: str) -> float:
    return float(_run(_IMPORT.format(what=what)))


def _run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode != 0:
        raise RuntimeError(f"the device's client did not run: {done.stderr[-500:]}")
    return done.stdout
