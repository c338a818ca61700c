"""How long a device model that answers in this process keeps the event loop from turning.

A heartbeat sleeps for a millisecond again and again; what it oversleeps is a hold. On a shared machine it is also
late because other programs have the cores: the kernel says how long the heartbeat's thread waited for a core
(`schedstat`), which is taken off, and a thread of ours can hold the loop for no longer than the process computed since
the last beat, which bounds the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from dataclasses import dataclass
from typing import Final

import uvloop

from benchmarks.figures import Effort, Section, SkippedError, Table, median, percentile, shown
from router_core.errors import RefusedError
from router_core.inference import Params
from router_core.ports import Model, ModelCall

BEAT_S: Final = 0.001
CALLERS: Final = 4
_NOTE: Final = """\
A heartbeat of 1 ms beside {callers} callers that ask the device model for commands without a pause, in the same
process; the idle row is the same heartbeat alone. "late" is what the heartbeat overslept, "held" that without the time
its thread waited for a core, and at most the CPU time of the process since the beat before; medians of {rounds} interleaved rounds of {seconds} s, the longest hold of a round being its worst
beat."""
_COMMANDS: Final = (
    "set a timer for {n} minutes",
    "turn off the kitchen lights",
    "wake me at {n}:15",
    "set the living room to {n} degrees",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beats:
    """Milliseconds every beat came late, the part of it that this process caused; answers given meanwhile."""

    late_ms: tuple[float, ...]
    held_ms: tuple[float, ...]
    answers: int


def measure(effort: Effort) -> Section:
    """Idle and busy, interleaved."""
    idle, busy = uvloop.run(_rounds(effort))
    note = _NOTE.format(callers=CALLERS, rounds=effort.rounds, seconds=effort.seconds)
    return Section(
        name="loop",
        tables=(
            Table(
                title="Event loop beside a device model",
                header=("loop", "held p99", "held p99.9", "held longest", "late longest", "answers/s"),
                rows=(_row("idle", idle, effort.seconds), _row("model answers", busy, effort.seconds)),
                note=note,
            ),
        ),
        figures={"loop_hold": median([max(one.held_ms) for one in busy])},
    )


def _row(name: str, rounds: list[Beats], seconds: int) -> tuple[str, ...]:
    values = [
        median([percentile(one.held_ms, 0.99) for one in rounds]),
        median([percentile(one.held_ms, 0.999) for one in rounds]),
        median([max(one.held_ms) for one in rounds]),
        median([max(one.late_ms) for one in rounds]),
    ]
    rate = median([one.answers / seconds for one in rounds])
    return name, *(f"{shown(value)} ms" for value in values), f"{rate:,.0f}"


async def _rounds(effort: Effort) -> tuple[list[Beats], list[Beats]]:
    try:
        from edge_runtime.device_model import OnnxDeviceModel
        from edge_runtime.engines.onnx_intent import OnnxIntentEngine
        from edge_runtime.engines.owner import OwnerThread
        from edge_runtime.store import SHIPPED

        engine = OnnxIntentEngine.load(SHIPPED / "intent-v1", threads=1)
    except ImportError as error:
        raise SkippedError(f"the edge extra is not installed: {error}") from error
    owner = OwnerThread(name="owner", limit=64)
    try:
        model = OnnxDeviceModel(engine, owner)
        await _beats(model, 1)
        idle, busy = [], []
        for _ in range(effort.rounds):
            idle.append(await _beats(None, effort.seconds))
            busy.append(await _beats(model, effort.seconds))
        return idle, busy
    finally:
        owner.close()


async def _beats(model: Model | None, seconds: int) -> Beats:
    """Heartbeats for so many seconds, beside callers when there is a model."""
    callers = [asyncio.create_task(_ask(model, n)) for n in range(CALLERS)] if model is not None else []
    late_ms, held_ms = [], []
    descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    try:
        until, last = time.perf_counter() + seconds, time.perf_counter()
        waited, used = _waited_ms(descriptor), time.process_time()
        while last < until:
            await asyncio.sleep(BEAT_S)
            now, waits, cpu = time.perf_counter(), _waited_ms(descriptor), time.process_time()
            late_ms.append((now - last - BEAT_S) * 1e3)
            held_ms.append(max(0.0, min(late_ms[-1] - (waits - waited), (cpu - used) * 1e3)))
            last, waited, used = now, waits, cpu
    finally:
        os.close(descriptor)
        for caller in callers:
            caller.cancel()
        answered = await asyncio.gather(*callers)
    return Beats(late_ms=tuple(late_ms), held_ms=tuple(held_ms), answers=sum(answered))


async def _ask(model: Model, seed: int) -> int:
    """Commands without a pause until cancelled; how many were answered."""
    answered = 0
    try:
        for n in itertools.count(seed):
            text = _COMMANDS[n % len(_COMMANDS)].format(n=n % 28 + 1)
            call = ModelCall(
                request_id=f"req_{n}",
                model="intent-v1",
                messages=({"role": "user", "content": text},),
                params=Params(),
                task="command",
                timeout_s=30.0,
            )
            # Unsure is an answer, too: the model has done its work.
            with contextlib.suppress(RefusedError):
                await model.generate(call)
            answered += 1
    except asyncio.CancelledError:
        pass
    return answered


def _waited_ms(descriptor: int) -> float:
    """Milliseconds this thread was ready to run but had no core, since it began."""
    return int(os.pread(descriptor, 100, 0).split()[1]) / 1e6
