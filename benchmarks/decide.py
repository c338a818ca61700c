"""What a decision costs by itself: reading a text of 440 characters and choosing among 3, 100 and 1,000 targets.

Pure functions, called again and again with texts that differ, so that no memo answers. CPU time of the thread is
taken, not the wall clock: a percentile of the wall clock would be that of the other programs on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from agents.context import ContextAgent
from benchmarks.figures import Effort, Section, Table, percentile, shown, slope
from benchmarks.signals import texts
from router_core.inference import Caller, InferenceRequest
from router_core.policy.parse import from_document
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing.decide import decide
from router_core.routing.table import TargetTable, compile_table
from router_core.signals import analyse, scan
from router_core.signals.guard import guard_in
from router_core.signals.reading import read

TARGETS: Final = (3, 100, 1000)
CHARACTERS: Final = 440
POLICY: Final = from_document({})
_TIERS: Final = (("device", "onnx"), ("mec", "openai"), ("cloud", "bedrock"))
_NOTE: Final = """\
CPU time of the thread. {calls} requests, each with another text of 440 characters. "signals" reads the text, "context" makes of it and of the
request what the router needs, "decide" chooses; "all" is what a request pays for the three."""
_SCAN_NOTE: Final = """\
The scan for personal data reads the whole text, the guard looks for injected instructions; cost per extra 1,000
characters, from texts of 1,000 and 21,000 characters, median of {calls} calls each."""


def measure(effort: Effort) -> Section:
    """Both tables."""
    rows, figures = [], {}
    requests = _requests()
    for count in TARGETS:
        taken = _decisions(requests, table_of(count), effort.calls)
        rows.append((str(count), *(_pair(taken[name]) for name in ("signals", "context", "decide", "all"))))
        if count == TARGETS[0]:
            figures = {f"decide_p{n}": percentile(taken["all"], n / 100) for n in (50, 99)}
    scans = {name: _per_1k(sample, max(20, effort.calls // 40)) for name, sample in texts().items()}
    return Section(
        name="decide",
        tables=(
            Table(
                title="Decision: p50 / p99 in microseconds",
                header=("targets", "signals", "context", "decide", "all"),
                rows=tuple(rows),
                note=_NOTE.format(calls=effort.calls),
            ),
            Table(
                title="Scan: microseconds per extra 1,000 characters",
                header=("text", "personal data", "personal data and guard"),
                rows=tuple((name, shown(pii), shown(both)) for name, (pii, both) in scans.items()),
                note=_SCAN_NOTE.format(calls=max(20, effort.calls // 40)),
            ),
        ),
        figures={**figures, "scan_per_1k": max(both for _, both in scans.values())},
    )


def table_of(count: int) -> TargetTable:
    """So many targets of all three tiers, all up."""
    made = []
    for i in range(count):
        tier, kind = _TIERS[i % 3]
        spec = TargetSpec(
            name=f"{tier}/t{i}",
            tier=tier,
            kind=kind,
            model=f"m{i % 7}",
            price_in=0.1 * (i % 5),
            price_out=0.4 * (i % 5),
            ttft_ms=20.0 + i % 50,
            quality_default=0.5 + 0.4 * (i % 10) / 10,
        )
        made.append(Target(spec=spec, state=TargetState(health="up", saturation=(i % 8) / 10)))
    return compile_table(ResourceState.of(tuple(made)), POLICY)


def _requests() -> list[InferenceRequest]:
    """As many different texts as fit into the samples, of each kind of content."""
    caller = Caller(tenant="bench", key_id="bench")
    pieces = [sample[i * 97 : i * 97 + CHARACTERS] for sample in texts().values() for i in range(64)]
    return [
        InferenceRequest(
            request_id=f"req_{i}",
            received_s=0.0,
            caller=caller,
            messages=({"role": "user", "content": text},),
        )
        for i, text in enumerate(pieces)
    ]


def _decisions(requests: list[InferenceRequest], table: TargetTable, calls: int) -> dict[str, list[float]]:
    agent, now = ContextAgent(), time.thread_time_ns
    taken: dict[str, list[float]] = {"signals": [], "context": [], "decide": [], "all": []}
    for i in range(calls + calls // 10):
        request = requests[i % len(requests)]
        text = request.messages[0]["content"]
        start = now()
        analyse(text)
        analysed = now()
        context = agent.read(request, POLICY)
        known = now()
        decide(context, table)
        decided = now()
        if i >= calls // 10:
            signals = analysed - start
            taken["signals"].append(signals / 1e3)
            taken["context"].append(max(0, known - analysed - signals) / 1e3)
            taken["decide"].append((decided - known) / 1e3)
            taken["all"].append((decided - analysed) / 1e3)
    return taken


def _pair(values: list[float]) -> str:
    return f"{shown(percentile(values, 0.5))} / {shown(percentile(values, 0.99))}"


def _per_1k(sample: str, calls: int) -> tuple[float, float]:
    """Personal data alone, and with the guard; both from the text as it came."""

    def both(text: str) -> None:
        scan(text)
        guard_in(read(text))

    found = []
    for work in (scan, both):
        small, large = (_typical_us(work, sample[:length], calls) for length in (1_000, 21_000))
        found.append(slope((1, small), (21, large)))
    return found[0], found[1]


def _typical_us(work: Callable[[str], object], text: str, calls: int) -> float:
    taken = []
    for _ in range(calls):
        start = time.thread_time_ns()
        work(text)
        taken.append((time.thread_time_ns() - start) / 1e3)
    return percentile(taken, 0.5)
