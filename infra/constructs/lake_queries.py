"""The questions about past requests that operators ask most: one file of Athena's SQL each, below `infra/queries`.

The first line of a file says what it answers. Each counts a request once, since consumers may see a record twice; `?`
is asked for when the query runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "queries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A named query."""

    name: str
    description: str
    sql: str


def questions() -> Iterator[Question]:
    """All of them, by name."""
    for path in sorted(FOLDER.glob("*.sql")):
        first, sql = path.read_text().split("\n", 1)
        yield Question(name=path.stem, description=first.removeprefix("-- "), sql=sql.strip())
