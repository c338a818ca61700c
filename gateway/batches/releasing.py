"""Makes jobs of lines, in the file's order and only so many at once that nobody who waits for an answer will notice.

A line's job has an id that follows from the batch and the line's number: made twice, it is still one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson

from gateway.batches.lines import LineAsking, read_line, request_of_line
from gateway.batches.parts import About
from gateway.batches.placing import PRESSED_S
from gateway.batches.reading import LineReader, Place
from gateway.http.openai.models import ModelNames
from gateway.http.problems import problem_of
from gateway.jobs.store import OpenJobs
from router_core.errors import TierwiseError
from router_core.inference import InferenceRequest
from router_core.jobs.batches import Batch, line_id
from router_core.jobs.records import Job
from router_core.jobs.stages import ANSWERING, FAILED
from router_core.payload import to_json
from router_core.ports import Clock

_REMEMBERED: Final = 256


class Releasing:
    """Knows where in its file each batch stands; after a restart it finds that again from the beginning."""

    def __init__(self, names: ModelNames, clock: Clock) -> None:
        self._names, self._clock = names, clock
        self._places: dict[str, tuple[int, Place]] = {}

    async def place(self, batch: Batch, reader: LineReader) -> Place:
        """Where the first line that is no job yet begins. `reader` stands at the beginning."""
        known = self._places.get(batch.id)
        if known is not None and known[0] == batch.released:
            return known[1]
        for _ in range(batch.released):
            await reader.next()
        return reader.place

    async def release(
        self, opened: OpenJobs, batch: Batch, about: About, reader: LineReader, most: int, pressed_s: float
    ) -> int:
        """Up to `most` further lines become jobs; how many did. `reader` stands where `place` said. Raises `StoreError`."""
        released = 0
        while released < most and (found := await reader.next()) is not None:
            await opened.history.create(*self._job(batch, about, found, pressed_s))
            released += 1
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        self._places[batch.id] = (batch.released + released, reader.place)
        return released

    def forget(self, batch_id: str) -> None:
        self._places.pop(batch_id, None)

    def _job(
        self, batch: Batch, about: About, found: tuple[int, bytes], pressed_s: float
    ) -> tuple[Job, tuple[str, ...]]:
        """The job and its queue. A line that has become impossible since it was checked is over before it begins."""
        number, raw = found
        name, now = line_id(batch.id, number), self._clock.now_s()
        problem, request = None, None
        try:
            request = self._request(batch, about, found, name, pressed_s)
        except TierwiseError as error:
            problem = orjson.dumps(problem_of(error).members(name))
        job = Job(
            request_id=name,
            tenant=batch.tenant,
            created_s=now,
            size=len(raw),
            stage="CREATED" if request is not None else FAILED,
            request=None if request is None else orjson.dumps(to_json(request)),
            problem=problem,
            batch=batch.id,
        )
        return job, (ANSWERING,) if request is not None else ()

    def _request(
        self, batch: Batch, about: About, found: tuple[int, bytes], name: str, pressed_s: float
    ) -> InferenceRequest:
        line = read_line(*found, batch.endpoint)
        asking = LineAsking(request_id=name, known=about.caller)
        made = request_of_line(line, asking, self._names, about.shared)
        return replace(made, metadata={**made.metadata, PRESSED_S: f"{pressed_s:.0f}"})
