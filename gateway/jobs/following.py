"""`GET /inference/{id}/events`: how far a request is, told when it changes, until it is over.

What is stored is asked again and again, soon at first and then less often, so that any gateway can tell of a job which any
worker runs. It ends with `done` and the answer, `error` and the problem, or without either when it took too long: the caller
asks again, and hears where it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from gateway.http import answers
from gateway.http.ports import StoredAnswer
from gateway.http.sse import event
from router_core.errors import StoreError
from router_core.inference import InferenceResponse
from router_core.jobs.stages import COMPLETED, FAILED

Found = InferenceResponse | StoredAnswer | Mapping[str, Any] | None
FIRST_S: Final = 0.05
LONGEST_S: Final = 1.0
ALIVE_S: Final = 15.0
FOLLOWED_S: Final = 600.0
_ALIVE: Final = b": still here\n\n"


def shown(found: InferenceResponse | StoredAnswer | Mapping[str, Any]) -> dict[str, Any]:
    """The body of `GET /inference/{id}`."""
    if isinstance(found, InferenceResponse):
        return answers.answer(found)
    if isinstance(found, StoredAnswer):
        return {**answers.answer(found.response), "stage": found.stage, **found.more}
    return dict(found)


async def changes(first: Found, look: Callable[[], Awaitable[Found]]) -> AsyncGenerator[bytes, None]:
    """Events from where it stands now. A store that is away for a while only delays them."""
    loop = asyncio.get_running_loop()
    found, told, wait_s = first, None, FIRST_S
    ends_s = loop.time() + FOLLOWED_S
    alive_s = loop.time() + ALIVE_S
    while found is not None:
        body = shown(found)
        stage = body.get("stage")
        if stage != told:
            told, wait_s = stage, FIRST_S
            yield event(b"state", {name: body.get(name) for name in ("request_id", "status", "stage")})
        if stage in (COMPLETED, FAILED):
            yield _end(body)
            return
        if loop.time() >= ends_s:
            return
        if loop.time() >= alive_s:
            alive_s = loop.time() + ALIVE_S
            yield _ALIVE
        await asyncio.sleep(wait_s)
        wait_s = min(LONGEST_S, 1.5 * wait_s)
        found = await _looked(look, found)


def _end(body: Mapping[str, Any]) -> bytes:
    problem = body.get("problem")
    return event(b"done", body) if problem is None else event(b"error", problem)


async def _looked(look: Callable[[], Awaitable[Found]], before: Found) -> Found:
    try:
        return await look()
    except StoreError:
        return before
