"""Puts the section together: in one process, deployed in the local AWS, by price, cold, and by size."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Effort, Section, SkippedError, Table, shown
from benchmarks.hosts import cold, deployed, inside
from gateway.cost.pricing import load_prices, monthly
from gateway.cost.usage import MODES, Assumptions
from infra.bundle import bundle


def measure(effort: Effort) -> Section:
    """Everything; what cannot be measured here is said, and the rest is."""
    tables, skipped, figures = [], [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables.append(inside.table(folder, effort))
        started, table = cold.table(folder, effort)
        figures["cold_router"] = started
        tables.append(table)
    later: tuple[Callable[[], Table], ...] = (lambda: deployed.table(effort), _prices, _sizes)
    for part in later:
        try:
            tables.append(part())
        except (RuntimeError, OSError, SkippedError) as error:
            skipped.append(f"hosts: {error}")
    first = tables[0]
    tables[0] = Table(title=first.title, header=first.header, rows=first.rows, note=f"{_when()} {first.note}")
    return Section(name="hosts", tables=tuple(tables), figures=figures, skipped=tuple(skipped))


def _when() -> str:
    """These tables may be newer than the page they stand on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average {load}."


def _prices() -> Table:
    names = {
        "one-function": "one function",
        "state-machine": "the stages, while it waits",
        "async": "the stages, later (`mode: async`)",
    }
    rows = []
    for mode in MODES:
        cost = monthly({}, Assumptions(mode=mode), 1e6, load_prices())
        tokens = sum(line.usd for line in cost.usage if line.key == "bedrock.tokens")
        compute = sum(line.usd for line in cost.usage if line.key.startswith(("lambda.", "states.")))
        rows.append((names[mode], *(f"{usd:,.2f}" for usd in (cost.per_million_usd, tokens, compute))))
    return Table(
        title="Hosts: USD per million requests",
        header=("who answers", "together", "of it tokens", "of it functions and machines"),
        rows=tuple(rows),
        note="List prices and average request of `tierwise aws cost` (docs/aws-cost.md). The gateway is paid for by the hour.",
    )


def _sizes() -> Table:
    rows: list[tuple[str, ...]] = []
    for mode, what in (("full", "with the wheels for arm64"), ("sources", "sources only")):
        try:
            made = bundle(mode)
        except Exception as error:  # packages come from a registry, which may be out of reach in many ways
            rows.append((f"{mode}, {what}", f"not made here: {type(error).__name__}", "-"))
            continue
        sizes = (made.path.stat().st_size, made.unpacked_bytes)
        rows.append((f"{mode}, {what}", *(f"{shown(size / 2**20)} MiB" for size in sizes)))
    return Table(
        title="Hosts: the functions' asset",
        header=("asset", "zip", "unpacked"),
        rows=tuple(rows),
        note="One zip for all functions; Lambda takes 250 MiB unpacked.",
    )
