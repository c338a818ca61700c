"""Turns sections into the page that is kept: date, machine, commands, goals with verdicts, and every table."""

from __future__ import annotations

import os
import platform
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Section, Table
from benchmarks.goals import judged

HOW = """\
The machine is shared: its cores also run other programs, and what they do stretches every wall-clock figure. So
gateways are compared by CPU time per request: user and system time of each one's whole process tree, from the
kernel, all in the same run, in interleaved rounds, medians over rounds. Ratios within a run hold on another machine;
single figures do not. Latency and requests per second are given for completeness. `docs/benchmarks.md` says how each
figure is taken."""


def machine() -> tuple[tuple[str, str], ...]:
    """What the figures depend on: CPU, cores and load, memory, kernel, Python."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("CPU", f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores; load average {load}"),
        ("memory", _field("/proc/meminfo", "MemTotal")),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
    )


def _field(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "unknown")


def page(sections: Sequence[Section], command: str, where: Sequence[tuple[str, str]]) -> str:
    """The whole page as Markdown."""
    parts = ["# Benchmark results", "", f"Written by `{command}`.", ""]
    parts += [f"- {name}: {value}" for name, value in where]
    parts += ["", HOW, "", rendered(judged(merged(sections)))]
    for section in sections:
        parts += [rendered(table) for table in section.tables]
        parts += [f"Skipped: {reason}\n" for reason in section.skipped]
    return "\n".join(parts).rstrip() + "\n"


def renewed(old: str, new: str) -> str:
    """The old page with the new one's tables in the place of their own, or at the end; goals that were not measured
    this time stay as they were."""
    kept, fresh = _blocks(old), _blocks(new)
    for title, block in fresh.items():
        if title == "Goals" and title in kept:
            rows = {_first(row): row for row in kept[title].splitlines()}
            measured = [row for row in block.splitlines() if not row.endswith("| not measured |")]
            rows |= {_first(row): row for row in measured if row.startswith("|")}
            kept[title] = "\n".join(rows.values())
        elif title:
            kept[title] = block
    return "\n\n".join(block.strip() for block in kept.values()) + "\n"


def _blocks(text: str) -> dict[str, str]:
    """Parts of a page by title; what stands before the first has none."""
    head, *rest = text.split("\n## ")
    return {"": head} | {part.split("\n", 1)[0]: f"## {part}" for part in rest}


def _first(row: str) -> str:
    """What a row is about; a line that is no row is about itself."""
    return row.split(" | ")[0]


def merged(sections: Sequence[Section]) -> dict[str, float]:
    """The figures of all sections."""
    return {key: value for section in sections for key, value in section.figures.items()}


def rendered(table: Table) -> str:
    """One table as Markdown with its title."""
    lines = [f"## {table.title}", ""]
    lines += [textwrap.fill(table.note, 118), ""] if table.note else []
    lines += [_line(table.header), _line(["---"] * len(table.header))]
    return "\n".join([*lines, *(_line(row) for row in table.rows), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def as_record(sections: Sequence[Section], command: str, where: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The same for a program to read."""
    return {
        "command": command,
        "machine": dict(where),
        "figures": merged(sections),
        "tables": [
            {"title": t.title, "header": t.header, "rows": t.rows} for s in sections for t in s.tables
        ],
        "skipped": [reason for section in sections for reason in section.skipped],
    }
