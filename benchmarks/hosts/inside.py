"""Each host in this process, as the parity suite runs them: our own code's share, without anybody's network."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Effort, Table, median, percentile, shown
from benchmarks.gateway import mock_upstream
from tests.parity.cases import TARGETS, Case
from tests.parity.site import Clock, Gateway, House, environment, proxy_event

PINNED: Final[dict[str, Any]] = {"preferences": {"target": "mec/a"}, "params": {"max_tokens": 32}}
CALLS: Final = 100
Ask = Callable[[str], int]
_NOTE: Final = """\
{calls} requests per host and round, {rounds} interleaved rounds, one request at a time, each with another text; the
model server is {upstream}. CPU is that of the process with the host in it, median over rounds; the walk over the state
machine, which Step Functions does in AWS, is in it."""


def table(folder: Path, effort: Effort) -> Table:
    """Latency and CPU per request of each host."""
    calls = CALLS if effort.rounds > 1 else CALLS // 5
    with ExitStack() as stack:
        upstream, url = stack.enter_context(mock_upstream(folder))
        environ = environment(dict.fromkeys(TARGETS, url), folder)
        hosts = {
            "gateway": _gateway(stack, House(environ)),
            "one function": _function(stack, House(environ)),
            "the stages, while it waits": _function(stack, House(environ, waited=True)),
        }
        found: dict[str, list[tuple[list[float], float]]] = {name: [] for name in hosts}
        for ask in hosts.values():
            _round(ask, 5, "warm")
        for number in range(effort.rounds):
            for name, ask in hosts.items():
                found[name].append(_round(ask, calls, f"round {number}"))
    return Table(
        title="Hosts in one process",
        header=("host", "p50", "p99", "CPU per request"),
        rows=tuple(_row(name, rounds) for name, rounds in found.items()),
        note=_NOTE.format(calls=calls, rounds=effort.rounds, upstream=upstream),
    )


def _row(name: str, rounds: list[tuple[list[float], float]]) -> tuple[str, ...]:
    times = [ms for one, _ in rounds for ms in one]
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    return name, f"{shown(p50)} ms", f"{shown(p99)} ms", f"{shown(median([cpu for _, cpu in rounds]))} ms"


def _round(ask: Ask, calls: int, about: str) -> tuple[list[float], float]:
    """Milliseconds of each call, and CPU milliseconds per call. Raises `RuntimeError` for an answer that is none."""
    times, cpu = [], time.process_time()
    for number in range(calls):
        began = time.perf_counter()
        status = ask(f"Why is the sky blue, asked as number {number} of {about}?")
        times.append((time.perf_counter() - began) * 1e3)
        if status != 200:
            raise RuntimeError(f"a host answered with {status}")
    return times, (time.process_time() - cpu) * 1e3 / calls


def _gateway(stack: ExitStack, house: House) -> Ask:
    host = stack.enter_context(closing(Gateway(house)))
    return lambda text: host(_case(text)).status


def _function(stack: ExitStack, house: House) -> Ask:
    stack.enter_context(closing(house))

    def ask(text: str) -> int:
        status: int = house.host("api")(proxy_event(_case(text)), Clock())["statusCode"]
        return status

    return ask


def _case(text: str) -> Case:
    return Case(name="bench", body={"input": text, **PINNED})
