"""The real templates in the local AWS: API Gateway's stand-in, Lambda as processes, Step Functions as moto runs it."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.figures import Effort, Table, percentile, shown
from benchmarks.processes import TICKS, tree
from router_core.deployment import resource_name
from tests.aws.switch import answered_by_stages
from tests.localaws.loopback import ask
from tests.localaws.site import Site, running_site

CALLS: Final = 100
_WARM: Final = 5
_PAUSE_S: Final = 0.06
"""Between two requests: dev's API lets twenty a second pass."""
_NOTE: Final = """\
`make aws-local`'s deployment, {calls} requests each, one at a time, to the MEC stand-in, which answers at once. "CPU in
functions" is that of the Lambda processes per request. The local AWS's own work is in the latency: it is no figure of AWS,
and Step Functions is moto's interpreter in Python; only the order of the two and the CPU say something."""


def table(effort: Effort) -> Table:
    """Latency, and CPU of the functions, per request of both ways."""
    calls = CALLS if effort.rounds > 1 else CALLS // 5
    with running_site(say=lambda text: print(text, file=sys.stderr)) as site:
        rows = [_row("API Gateway -> one function", *_asked(site, calls))]
        with answered_by_stages(site):
            rows.append(_row("API Gateway -> function -> express machine -> stages", *_asked(site, calls)))
    return Table(
        title="Hosts in the local AWS",
        header=("way", "p50", "p99", "CPU in functions"),
        rows=tuple(rows),
        note=_NOTE.format(calls=calls),
    )


def _row(name: str, times: list[float], cpu_ms: float) -> tuple[str, ...]:
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    return name, f"{shown(p50)} ms", f"{shown(p99)} ms", f"{shown(cpu_ms)} ms"


def _asked(site: Site, calls: int) -> tuple[list[float], float]:
    """Milliseconds of each request, and CPU milliseconds in functions per request."""
    for number in range(_WARM):
        with suppress(
            RuntimeError
        ):  # six functions that begin cold may together outlast a request's deadline
            _once(site, f"warm {number}")
    before = _functions_cpu_s()
    times = [_once(site, f"number {number}") for number in range(calls)]
    return times, (_functions_cpu_s() - before) * 1e3 / calls


def _once(site: Site, about: str) -> float:
    headers = {"authorization": f"Bearer {site.keys['phone-app'].value}"}
    body = {"input": f"Why is the sky blue, {about}, {time.time_ns()}?", "preferences": {"tiers": ["mec"]}}
    body |= {"params": {"max_tokens": 16}}
    time.sleep(_PAUSE_S)
    began = time.perf_counter()
    reply = ask("POST", f"{site.api_url}/inference", body, headers)
    if reply.status != 200:
        raise RuntimeError(f"{resource_name('dev', 'api')} answered with {reply.status}")
    return (time.perf_counter() - began) * 1e3


def _functions_cpu_s() -> float:
    """Of all processes that are functions, below this one."""
    total = 0
    for pid in tree(os.getpid()):
        try:
            if b"worker.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return total / TICKS
