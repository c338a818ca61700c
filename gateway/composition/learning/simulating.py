"""Past requests decided again for whoever asks a running gateway: by the command a person would run.

It reads the whole event log and computes for seconds, so it has a process of its own, behind everything else, with a bound
on its time. What it is given are two documents and numbers; of this process's environment it gets no secret.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from router_core.errors import StoreError
from router_core.policy.document import Policy
from router_core.policy.parse import minified, to_document

SIMULATION_S: Final = 300.0
WEEK_S: Final = 7 * 86_400.0
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
"""What the simulation needs of this process's environment; secrets are not among it."""
Simulate = Callable[..., Awaitable[Mapping[str, Any]]]
"""New policy, old policy; `since_s` and `tolerance` by name. Raises `StoreError`."""


def simulation(events: Path) -> Simulate:
    """`tierwise policy simulate --json` over this folder, one at a time."""
    turn, where = asyncio.Lock(), str(events.absolute())

    async def simulate(
        new: Policy, old: Policy, *, since_s: float = WEEK_S, tolerance: float = 0.0
    ) -> Mapping[str, Any]:
        async with turn:
            with tempfile.TemporaryDirectory(prefix="tierwise-") as folder:
                files = await asyncio.to_thread(_written, Path(folder), new, old)
                asked = ["--since", _span(since_s), "--tolerance", f"{tolerance:g}"]
                return await _run([*_command(*files), *asked, "--events", where])

    return simulate


def _written(folder: Path, new: Policy, old: Policy) -> tuple[Path, Path]:
    files = folder / "new.json", folder / "old.json"
    for file, policy in zip(files, (new, old), strict=True):
        file.write_bytes(minified(to_document(policy)))
    return files


def _span(seconds: float) -> str:
    """As the command takes it: whole minutes of a day, whole hours beyond."""
    return f"{math.ceil(seconds / 60)}m" if seconds <= 86_400.0 else f"{math.ceil(seconds / 3_600)}h"


def _command(new: Path, old: Path) -> list[str]:
    nice = shutil.which("nice")
    behind = [nice, "-n", "10"] if nice else []
    asked = ["policy", "simulate", "--json", "--policy", str(new), "--against", str(old)]
    return [*behind, sys.executable, "-m", "gateway", *asked]


async def _run(command: list[str]) -> Mapping[str, Any]:
    """The report. Raises `StoreError`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
    )
    try:
        async with asyncio.timeout(SIMULATION_S):
            told, _ = await process.communicate()
    except TimeoutError:
        raise StoreError(f"the simulation took longer than {SIMULATION_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise StoreError("past requests could not be decided again")
    try:
        report: Mapping[str, Any] = json.loads(told)
    except ValueError:
        raise StoreError("the simulation's report cannot be read") from None
    return report
