"""What each gateway costs for a small chat completion: CPU per request first, then latency and requests per second.

Rounds are interleaved: in each round every contestant gets its load in turn, at concurrency 1 and then 32, so that
what else the machine does falls on all of them.
"""

from __future__ import annotations

import json
import math
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contestants import (
    DIRECT,
    EVERYONE,
    LITELLM,
    NGINX,
    PORTKEY,
    TIERWISE,
    Contestant,
    cacheable,
)
from benchmarks.figures import Effort, Section, SkippedError, Table, added, median, shown
from benchmarks.load import Load, body, generator, put
from benchmarks.nginx import nginx_mock
from benchmarks.own_upstream import own_upstream
from benchmarks.processes import cpu_s, rss_mb
from benchmarks.upstream import TEXT

CONCURRENCY: Final = (1, 32)
WARM_S: Final = 2
CUT_OFF: Final = 20
"""A window holds so many times the requests that are cut off at its end..."""
LONGEST_S: Final = 20
"""...unless it would be longer than this."""
_NOTE: Final = """\
The request has about 0.25 kB, the answer 0.35 kB; connections are kept; load by {generator}, upstream {upstream}, both
on the same machine. Medians of {rounds} interleaved rounds of {seconds} s, longer for who is slow. "added" is latency above the direct call
of the same round. CPU is user and system time of the contestant's process tree per request, that of upstream and load
left out."""
Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One load on one contestant and the CPU time it took per request, microseconds; 0 where it is not counted."""

    load: Load
    cpu_us: float


def measure(effort: Effort) -> Section:
    """All contestants that start here."""
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        upstream, url = stack.enter_context(mock_upstream(folder))
        contestants = entered(stack, folder, url, skipped)
        rates = {one.name: _warm(one) for one in contestants}
        rounds = _rounds(contestants, effort, rates)
        memory = {one.name: rss_mb(one.pid) for one in contestants if one.pid is not None}
    note = _NOTE.format(
        generator=generator(), upstream=upstream, rounds=effort.rounds, seconds=effort.seconds
    )
    names = [one.name for one in contestants]
    return Section(
        name="gateway",
        tables=(_table(names, rounds, memory, note), _ratios(names, rounds)),
        figures=_figures(names, rounds),
        skipped=tuple(skipped),
    )


@contextmanager
def mock_upstream(folder: Path) -> Iterator[tuple[str, str]]:
    """What stands behind everyone, and its URL: nginx, or our own server where nginx is missing."""
    with ExitStack() as stack:
        try:
            url, name = stack.enter_context(nginx_mock(folder)), "nginx"
        except SkippedError:
            url, name = stack.enter_context(own_upstream(folder)), "our own (nginx is not installed)"
        yield name, url


def entered(stack: ExitStack, folder: Path, upstream: str, skipped: list[str]) -> list[Contestant]:
    """Everyone who starts; the reasons of those who do not are added to `skipped`."""
    contestants = []
    for start in EVERYONE:
        try:
            contestants.append(stack.enter_context(start(folder, upstream)))
        except SkippedError as error:
            skipped.append(str(error))
            continue
        if contestants[-1].name == TIERWISE:
            contestants.append(cacheable(contestants[-1]))
    return contestants


def check(contestant: Contestant) -> None:
    """One request, whose answer must be the upstream's. Raises `RuntimeError` when it is another."""
    data = body("check", 0, contestant.members)
    request = urllib.request.Request(contestant.url, data, dict(contestant.headers))  # noqa: S310  # our own address
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # as above
        text = json.load(answer)["choices"][0]["message"]["content"]
    if text != TEXT:
        raise RuntimeError(f"{contestant.name} answered something else: {text[:100]}")


def _warm(contestant: Contestant) -> float:
    """Check it, warm it up, and give its requests per second."""
    check(contestant)
    put(contestant, 1, WARM_S)
    return put(contestant, 8, WARM_S).per_second


def window_s(rate: float, connections: int, seconds: int) -> int:
    """How long to load a contestant of so many requests per second: requests cut off at the end cost it CPU time but
    are not counted, so a slow one gets a longer window in which they are few."""
    return max(seconds, min(LONGEST_S, math.ceil(CUT_OFF * connections / rate)))


def _rounds(
    contestants: Sequence[Contestant], effort: Effort, rates: Mapping[str, float]
) -> dict[Key, list[Round]]:
    rounds: dict[Key, list[Round]] = {(one.name, c): [] for one in contestants for c in CONCURRENCY}
    for _ in range(effort.rounds):
        for concurrency in CONCURRENCY:
            for one in contestants:
                before = cpu_s(one.pid) if one.pid is not None else 0.0
                load = put(one, concurrency, window_s(rates[one.name], concurrency, effort.seconds))
                used = cpu_s(one.pid) - before if one.pid is not None else 0.0
                rounds[one.name, concurrency].append(Round(load=load, cpu_us=used / load.requests * 1e6))
    return rounds


def cpu_us(rounds: Sequence[Round]) -> float:
    """CPU microseconds per request, median over rounds."""
    return median([one.cpu_us for one in rounds])


def times(ours: Sequence[Round], theirs: Sequence[Round]) -> float:
    """How many times our CPU per request theirs is, median over rounds: our requests per CPU second against theirs."""
    return median([b.cpu_us / a.cpu_us for a, b in zip(ours, theirs, strict=True)])


def _table(
    names: Sequence[str], rounds: Mapping[Key, Sequence[Round]], memory: Mapping[str, float], note: str
) -> Table:
    header = ["gateway"]
    for c in CONCURRENCY:
        header += [
            f"requests/s c={c}",
            f"p50 / p99 c={c}",
            f"added p50 / p99 c={c}",
            f"CPU per request c={c}",
        ]
    rows = []
    for name in names:
        row = [name]
        for c in CONCURRENCY:
            row += _cells(rounds[name, c], rounds[DIRECT, c])
        rows.append((*row, f"{memory[name]:.0f} MB" if name in memory else "-"))
    return Table(title="Gateways: one chat completion", header=(*header, "RSS"), rows=tuple(rows), note=note)


def _cells(ours: Sequence[Round], direct: Sequence[Round]) -> list[str]:
    p50, p99 = ([getattr(one.load, name) for one in ours] for name in ("p50_us", "p99_us"))
    base50, base99 = ([getattr(one.load, name) for one in direct] for name in ("p50_us", "p99_us"))
    more = f"{shown(added(p50, base50))} / {shown(added(p99, base99))} us" if ours is not direct else "-"
    return [
        f"{median([one.load.per_second for one in ours]):,.0f}",
        f"{shown(median(p50))} / {shown(median(p99))} us",
        more,
        f"{shown(cpu_us(ours))} us" if cpu_us(ours) else "-",
    ]


def _ratios(names: Sequence[str], rounds: Mapping[Key, Sequence[Round]]) -> Table:
    rows = []
    for name in names:
        if name not in (DIRECT, TIERWISE):
            both = [times(rounds[TIERWISE, c], rounds[name, c]) for c in CONCURRENCY]
            rows.append((name, *(f"{shown(value)} x" for value in both)))
    header = ("CPU per request, as a multiple of ours", *(f"c={c}" for c in CONCURRENCY))
    return Table(title="Gateways: CPU against ours", header=header, rows=tuple(rows))


def _figures(names: Sequence[str], rounds: Mapping[Key, Sequence[Round]]) -> dict[str, float]:
    """The worse of the two concurrencies counts, for us and for every ratio."""
    found = {"gateway_cpu": max(cpu_us(rounds[TIERWISE, c]) for c in CONCURRENCY)}
    for key, name in (("times_litellm", LITELLM), ("times_portkey", PORTKEY)):
        if name in names:
            found[key] = min(times(rounds[TIERWISE, c], rounds[name, c]) for c in CONCURRENCY)
    if NGINX in names:
        found["times_nginx"] = max(times(rounds[NGINX, c], rounds[TIERWISE, c]) for c in CONCURRENCY)
    return found
