"""Looks at every line of a new batch before the first is answered: is it one, is its `custom_id` its own, what will it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from gateway.batches.lines import LineAsking, read_line, request_of_line
from gateway.batches.parts import About
from gateway.batches.placing import Placing
from gateway.batches.reading import LineReader
from gateway.http.openai.models import ModelNames
from gateway.http.problems import problem_of
from router_core.errors import NoTargetError, RequestError
from router_core.jobs.batches import Batch, line_id
from router_core.jobs.records import NANO
from router_core.record import dataclass

MOST_ERRORS: Final = 50
SAMPLE: Final = 200
"""Lines whose cost is looked up, spread evenly over the file; what they cost stands for the others."""
_BREATH: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found: how many lines, the expected cost, and what is wrong with them in OpenAI's form."""

    total: int
    estimate_nano: int
    errors: tuple[dict[str, Any], ...]


class Checking:
    """Checks files against the models and targets there are."""

    def __init__(self, names: ModelNames, placing: Placing) -> None:
        self._names, self._placing = names, placing

    async def check(
        self, batch: Batch, about: About, reader: LineReader, kept: Callable[[], Awaitable[None]]
    ) -> Checked:
        """All lines. `kept` is called now and then, so that the batch stays ours. Raises `StoreError`."""
        errors: list[dict[str, Any]] = []
        known: set[str] = set()
        total, sampled, cost_usd = 0, 0, 0.0
        every = max(1, batch.total // SAMPLE)
        while (found := await reader.next()) is not None:
            total += 1
            try:
                price = await self._one(batch, about, found, known, priced=total % every == 0)
                if price is not None:
                    sampled, cost_usd = sampled + 1, cost_usd + price
            except RequestError as error:
                errors.append(_told(error, found[0]))
                if len(errors) >= MOST_ERRORS:
                    break
            if total % _BREATH == 0:
                await asyncio.sleep(0)
                await kept()
        estimate = 0 if not sampled else round(cost_usd / sampled * total * NANO)
        return Checked(total=total, estimate_nano=estimate, errors=tuple(errors))

    async def _one(
        self, batch: Batch, about: About, found: tuple[int, bytes], known: set[str], *, priced: bool
    ) -> float | None:
        number, raw = found
        line = read_line(number, raw, batch.endpoint)
        if line.custom_id in known:
            raise DuplicateError("this `custom_id` is there before", field="$.custom_id")
        known.add(line.custom_id)
        asking = LineAsking(request_id=line_id(batch.id, number), known=about.caller)
        request = request_of_line(line, asking, self._names, about.shared)
        if not priced:
            return None
        try:
            costs = await self._placing.costs(request)
        except NoTargetError:
            return None  # It will be told of its line when its turn comes: a target may be there by then.
        return costs.by_tier[0][1] if costs.by_tier else None


class DuplicateError(RequestError):
    """A `custom_id` that another line of the file has."""


def _told(error: RequestError, number: int) -> dict[str, Any]:
    code = "duplicate_custom_id" if isinstance(error, DuplicateError) else problem_of(error).kind.code
    field = error.field
    param = None if field is None else field.removeprefix("$.")
    return {"code": code, "line": number, "message": str(error), "param": param}
