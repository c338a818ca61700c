"""`tierwise demo`: plays sixteen requests through the real HTTP API and prints where each went and why."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.cli.client import GatewayError
from gateway.cli.demo_scenarios import ORDER_PLAYED, SCENARIOS, Scenario
from gateway.cli.demo_stage import Stage, stage
from gateway.cli.output import note, print_json, print_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One played request. Latency in milliseconds, cost in USD; `shown` is whether the point was visible."""

    scenario: str
    shown: bool
    request_class: str = ""
    tier: str = ""
    target: str = ""
    why: str = ""
    latency_ms: float | None = None
    cost_usd: float | None = None
    attempts: tuple[str, ...] = ()
    rejected: Mapping[str, str] | None = None
    emulated: bool = False


def run(options: argparse.Namespace) -> int:
    """0 when every scenario showed its point. Raises `DemoError` when the stage cannot be set."""
    with tempfile.TemporaryDirectory(prefix="tierwise-demo-") as folder:
        rows = play(Path(folder), pace=options.pace)
    if options.json:
        print_json({"ok": all(row.shown for row in rows), "requests": [asdict(row) for row in rows]})
    else:
        _table(rows)
    return 0 if all(row.shown for row in rows) else 1


def play(folder: Path, *, pace: float) -> list[Row]:
    """All scenarios, in the order of `SCENARIOS`."""
    played: dict[int, Row] = {}
    note("starting a gateway, an edge node and a cloud endpoint (stand-ins) ...")
    with stage(folder, pace=pace) as here, _Progress(len(SCENARIOS)) as step:
        for index in ORDER_PLAYED:
            step(SCENARIOS[index].name)
            played[index] = _play(here, SCENARIOS[index])
    return [played[index] for index in range(len(SCENARIOS))]


def _play(here: Stage, scenario: Scenario) -> Row:
    if scenario.before is not None:
        scenario.before(here)
    try:
        answer = here.client.call("POST", "/inference", scenario.body)
    except GatewayError as error:
        return Row(scenario=scenario.name, shown=False, why=str(error))
    finally:
        if scenario.after is not None:
            scenario.after(here)
    return _row(scenario, answer)


def _row(scenario: Scenario, answer: dict[str, Any]) -> Row:
    routing = answer["routing"]
    return Row(
        scenario=scenario.name,
        shown=scenario.shows(answer),
        request_class=routing["class"],
        tier=routing["tier"],
        target=routing["target"],
        why=_why(answer),
        latency_ms=answer["timings"]["total_ms"],
        cost_usd=answer["cost_usd"],
        attempts=tuple(f"{attempt['target']}: {attempt['outcome']}" for attempt in answer["attempts"]),
        rejected=routing["rejected"],
        emulated=routing["emulated"],
    )


def _why(answer: dict[str, Any]) -> str:
    """The decision's own sentence; after a fallback also what was tried before."""
    failed = [
        f"{attempt['target']} {attempt['outcome']}"
        for attempt in answer["attempts"]
        if attempt["outcome"] != "ok"
    ]
    reason: str = answer["routing"]["reason"].removeprefix(f"{answer['routing']['target']}: ")
    return f"{', '.join(failed)}; {reason}" if failed else reason


def _table(rows: list[Row]) -> None:
    print_table(
        ("request", "class", "tier", "target", "why", "ms", "USD"),
        [
            (
                row.scenario if row.shown else f"{row.scenario} (NOT AS EXPECTED)",
                row.request_class,
                row.tier,
                row.target,
                row.why,
                "" if row.latency_ms is None else f"{row.latency_ms:.0f}",
                "" if row.cost_usd is None else f"{row.cost_usd:.6f}",
            )
            for row in rows
        ],
        title="device answers are the real model's; edge and cloud answers come from stand-ins",
    )


class _Progress:
    """A progress bar on a terminal, nothing in a pipe."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._bar: Any = None

    def __enter__(self) -> Any:
        if not sys.stderr.isatty():
            return lambda name: None
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._bar.start()
        task = self._bar.add_task("", total=self._total)
        return lambda name: self._bar.update(task, advance=1, description=name)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
