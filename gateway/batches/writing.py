"""Writes the result files of a batch: one line for each `custom_id`, in the input's order, in exactly one of the two.

The files' names follow from the batch's, so that writing them again after a crash writes the same files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from gateway.batches.lines import read_line
from gateway.batches.parts import About, OpenBatches
from gateway.batches.reading import LineReader, PieceWriter
from gateway.batches.results import result_of
from router_core.jobs.batches import OUTPUT, Batch, StoredFile, line_id
from router_core.record import dataclass

_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files that were made, None where there was no line for one, and how many lines are in each."""

    output_file: str | None
    error_file: str | None
    completed: int
    failed: int


class Writing:
    """The writer of one batch's two files."""

    def __init__(self, batches: OpenBatches, batch: Batch, about: About, keep_s: float, now_s: float) -> None:
        self._batches, self._batch = batches, batch
        kept = about.output_expires_s or keep_s
        self._files = [
            StoredFile(
                id=f"file-{batch.id.removeprefix('batch_')}{letter}",
                tenant=batch.tenant,
                purpose=OUTPUT,
                filename=f"{batch.id}_{name}.jsonl",
                created_s=now_s,
                expires_s=now_s + kept,
            )
            for letter, name in (("o", "output"), ("e", "error"))
        ]
        self._writers = [PieceWriter(batches.content, file) for file in self._files]
        self._counts = [0, 0]

    async def write(self, reader: LineReader, kept: Callable[[], Awaitable[None]]) -> Written:
        """All lines of the input. `kept` is called between parts. Raises `StoreError`."""
        while lines := await _some(reader):
            await self._part(lines)
            await kept()
        names: list[str | None] = []
        for file, writer, count in zip(self._files, self._writers, self._counts, strict=True):
            await writer.end()
            if count:
                await self._batches.content.finish(replace(file, bytes=writer.bytes, lines=count))
            names.append(file.id if count else None)
        completed, failed = self._counts
        return Written(output_file=names[0], error_file=names[1], completed=completed, failed=failed)

    async def _part(self, lines: list[tuple[int, bytes]]) -> None:
        ids = [line_id(self._batch.id, number) for number, _ in lines]
        jobs = await self._batches.lines.jobs(self._batch.tenant, ids)
        for (number, raw), name in zip(lines, ids, strict=True):
            line = read_line(number, raw, self._batch.endpoint)
            result = result_of(line, name, jobs.get(name), self._batch.outcome)
            await self._writers[result.failed].add(result.text)
            self._counts[result.failed] += 1


async def _some(reader: LineReader) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while len(found) < _AT_ONCE and (line := await reader.next()) is not None:
        found.append(line)
    return found
