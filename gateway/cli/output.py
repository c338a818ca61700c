"""How commands speak: one JSON document or readable text on stdout, errors on stderr, exit status 1."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from router_core.errors import TierwiseError

FAILED = 1


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """A table as wide as the terminal allows; in a pipe as wide as it must be."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Plain text: brackets in data must not be read as markup.
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)


def fail(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong in one sentence and give the exit status. An error we did not expect keeps its traceback
    out of the output but names its kind; TIERWISE's own are written for users."""
    expected = isinstance(error, TierwiseError | OSError)
    message = str(error) if expected else f"unexpected {type(error).__name__}: {error}"
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": message}})
    sys.stderr.write(f"tierwise: {message}\n")
    return FAILED


def note(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
