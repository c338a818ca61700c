"""What gateways add to streams: to the first token, to every chunk, in CPU per chunk, and how many they hold at once.

The model server writes a chunk each 20 ms with the time of its writing in it, so a chunk's delay is known without
comparing two streams. First tokens are taken one stream at a time, contestants in turn.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.contestants import DIRECT, NGINX, TIERWISE, Contestant
from benchmarks.figures import Effort, Section, Table, percentile, shown
from benchmarks.gateway import entered
from benchmarks.own_upstream import own_upstream
from benchmarks.processes import cpu_s
from benchmarks.stream_client import Streamed, read_stream
from benchmarks.upstream import PACE_S

CHUNKS: Final = 10
HELD_CHUNKS: Final = 100
STALL_MS: Final = 5 * PACE_S * 1e3
HELD: Final = (DIRECT, NGINX, TIERWISE)
_NOTE: Final = """\
{streams} streams of {chunks} chunks each, one at a time, contestants in turn; a chunk each {pace:g} ms, the first at
once. "added" is the percentile minus that of direct streams. Delay is from the model server's write to the client's
read."""
_HELD_NOTE: Final = """\
So many streams at once, {chunks} chunks each, one per {pace:g} ms, begun within 0.2 s. A stream stalls when a gap
exceeds {stall:g} ms or it does not end. Client, model server and gateway share the machine's cores: a level at which
direct streams stall too is the machine's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Many streams of one contestant at once, and its CPU microseconds per chunk, 0 where it is not counted."""

    level: int
    streams: Sequence[Streamed]
    cpu_us: float

    @property
    def stalled(self) -> int:
        """Streams with a gap above the limit, or without an end."""
        return sum(not one.complete or max(one.gaps_ms, default=0.0) > STALL_MS for one in self.streams)


def measure(effort: Effort) -> Section:
    """Streams one by one, then many at once."""
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(own_upstream(folder))
        everyone = [one for one in entered(stack, folder, url, skipped) if not one.members]
        everyone = [one for one in everyone if uvloop.run(_streams(one, skipped))]
        single = uvloop.run(_single(everyone, effort.streams))
        some = [one for one in everyone if one.name in HELD]
        held = {one.name: [uvloop.run(_held(one, level)) for level in effort.levels] for one in some}
    return Section(
        name="streams", tables=(_table(single, effort), _held_table(held, effort)), skipped=tuple(skipped)
    )


async def _streams(one: Contestant, skipped: list[str]) -> bool:
    """Whether it can stream at all here; some other gateway that can't is left out and said to be."""
    streamed = await read_stream(one, f"{time.time_ns():x}", CHUNKS)
    if streamed.complete and streamed.chunks == CHUNKS:
        return True
    if one.name in HELD:
        raise RuntimeError(f"{one.name}: a stream ended after {streamed.chunks} of {CHUNKS} chunks")
    skipped.append(f"{one.name}: its streams do not work here ({streamed.chunks} of {CHUNKS} chunks came)")
    return False


async def _single(everyone: Sequence[Contestant], count: int) -> dict[str, list[Streamed]]:
    found: dict[str, list[Streamed]] = {one.name: [] for one in everyone}
    for i in range(-1, count):
        for one in everyone:
            streamed = await read_stream(one, f"{time.time_ns():x}", CHUNKS)
            if not streamed.complete or streamed.chunks != CHUNKS:
                raise RuntimeError(f"{one.name}: a stream ended after {streamed.chunks} of {CHUNKS} chunks")
            # The first of all only warms up.
            if i >= 0:
                found[one.name].append(streamed)
    return found


async def _held(one: Contestant, level: int) -> Held:
    async def later(i: int) -> Streamed:
        await asyncio.sleep(0.2 * i / level)
        return await read_stream(one, f"{time.time_ns():x}-{i}", HELD_CHUNKS)

    before = cpu_s(one.pid) if one.pid is not None else 0.0
    streams = await asyncio.gather(*(later(i) for i in range(level)))
    used = cpu_s(one.pid) - before if one.pid is not None else 0.0
    return Held(
        level=level, streams=streams, cpu_us=used * 1e6 / max(1, sum(each.chunks for each in streams))
    )


def _table(single: dict[str, list[Streamed]], effort: Effort) -> Table:
    direct = single[DIRECT]
    rows = []
    for name, streams in single.items():
        row = [name]
        for pick in (_first, _gaps, _delays):
            values, base = pick(streams), pick(direct)
            p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
            row.append(f"{shown(p50)} / {shown(p99)}")
            more = (p50 - percentile(base, 0.5), p99 - percentile(base, 0.99))
            row.append("-" if name == DIRECT else f"{shown(more[0])} / {shown(more[1])}")
        rows.append(tuple(row))
    header = ("gateway", "first token", "added", "gap", "added", "chunk's delay", "added")
    note = _NOTE.format(streams=effort.streams, chunks=CHUNKS, pace=PACE_S * 1e3)
    return Table(title="Streams: p50 / p99 in milliseconds", header=header, rows=tuple(rows), note=note)


def _first(streams: Sequence[Streamed]) -> list[float]:
    return [one.first_ms for one in streams]


def _gaps(streams: Sequence[Streamed]) -> list[float]:
    return [gap for one in streams for gap in one.gaps_ms]


def _delays(streams: Sequence[Streamed]) -> list[float]:
    return [delay for one in streams for delay in one.delays_ms]


def _held_table(held: dict[str, list[Held]], effort: Effort) -> Table:
    rows = [(name, *_held_cells(one)) for name, levels in held.items() for one in levels]
    header = ("gateway", "streams", "stalled", "gap p99", "longest gap", "delay p50 / p99", "CPU per chunk")
    note = _HELD_NOTE.format(chunks=HELD_CHUNKS, pace=PACE_S * 1e3, stall=STALL_MS)
    return Table(title="Streams held at once", header=header, rows=tuple(rows), note=note)


def _held_cells(one: Held) -> tuple[str, ...]:
    gaps, delays = _gaps(one.streams) or [float("nan")], _delays(one.streams) or [float("nan")]
    return (
        str(one.level),
        str(one.stalled),
        f"{shown(percentile(gaps, 0.99))} ms",
        f"{shown(max(gaps))} ms",
        f"{shown(percentile(delays, 0.5))} / {shown(percentile(delays, 0.99))} ms",
        f"{shown(one.cpu_us)} us" if one.cpu_us else "-",
    )
