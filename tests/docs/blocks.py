"""Finds the fenced blocks that a document wants run, and says what running one means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUNNABLE = {"python", "bash", "sh", "console"}
_MARK = re.compile(r"^\s*<!-- run -->\s*$")
_FENCE = re.compile(r"^(\s*)(`{3,})\s*([\w-]*)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: where its fence stands, its language, its text, and whether the document marks it."""

    document: str
    line: int
    language: str
    text: str
    marked: bool

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A `$` command of a console block and the output lines shown under it."""

    text: str
    shown: tuple[str, ...]


def blocks(document: Path, name: str) -> Iterator[Block]:
    """Every fenced block of a Markdown file. A longer fence may hold shorter ones, which are then only text."""
    lines = document.read_text().splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if not fence:
            at += 1
            continue
        end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == fence[2])
        yield Block(
            document=name,
            line=at + 1,
            language=fence[3],
            text="\n".join(line.removeprefix(fence[1]) for line in lines[at + 1 : end]) + "\n",
            marked=at > 0 and bool(_MARK.match(lines[at - 1])),
        )
        at = end + 1


def commands(text: str) -> tuple[Command, ...]:
    """The commands of a console block; a command goes on over lines that end with a backslash or begin with `> `."""
    found: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and (line.startswith("> ") or (not found[-1][1] and found[-1][0][-1].endswith("\\"))):
            found[-1][0].append(line.removeprefix("> "))
        elif found and line.strip():
            found[-1][1].append(line)
    return tuple(Command(text="\n".join(command), shown=tuple(shown)) for command, shown in found)


def first_missing(shown: tuple[str, ...], output: str) -> str | None:
    """The first shown line that does not appear in the output after the ones before it; None when all do."""
    at = 0
    for line in shown:
        pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
        hit = re.compile(pattern).search(output, at)
        if hit is None:
            return line
        at = hit.end()
    return None
