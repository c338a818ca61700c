"""Synchronous answers that the policy wants judged: stored beside the request path, as jobs that have their answer already.

Nobody waits for it and nothing fails by it: what the store cannot take in time is counted and dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import orjson

from gateway.jobs.answering import figures_of
from gateway.jobs.judging import drawn
from gateway.jobs.store import JobStore
from router_core.errors import StoreError
from router_core.inference import InferenceRequest, InferenceResponse
from router_core.jobs.records import Job
from router_core.jobs.stages import JUDGE, JUDGING
from router_core.payload import to_json
from router_core.policy.judging import Judging as Rules

_KEPT: Final = 256
"""Answers that wait to be stored."""


class Sampling:
    """Takes answers from the request path and makes judge jobs of those that are drawn. `begun` is told of each one
    that was stored."""

    def __init__(self, store: JobStore, rules: Callable[[], Rules], begun: Callable[[], None]) -> None:
        self._store, self._rules, self._begun = store, rules, begun
        self._waiting: deque[tuple[InferenceRequest, InferenceResponse]] = deque()
        self._storing: asyncio.Task[None] | None = None
        self._doubts: Callable[[], Mapping[str, float]] = dict
        self.dropped = 0

    def heed(self, doubts: Callable[[], Mapping[str, float]]) -> None:
        """From now on answers of a target in doubt are drawn oftener."""
        self._doubts = doubts

    def offer(self, request: InferenceRequest, response: InferenceResponse) -> None:
        """An answer has been given. Restricted ones are never kept for this, and reused ones were judged when they were new."""
        rules = self._rules()
        if rules.sync_share == 0.0 or response.restricted or response.cache == "hit":
            return
        if request.privacy.level == "restricted" or not self._drawn(request, response, rules):
            return
        if len(self._waiting) >= _KEPT:
            self.dropped += 1
            return
        self._waiting.append((request, response))
        if self._storing is None or self._storing.done():
            self._storing = asyncio.get_running_loop().create_task(self._store_all())

    async def stop(self) -> None:
        """Store what waits."""
        if self._storing is not None:
            await asyncio.gather(self._storing, return_exceptions=True)

    def _drawn(self, request: InferenceRequest, response: InferenceResponse, rules: Rules) -> bool:
        """Doubts are asked for where they could matter: no doubt draws more than the share."""
        if not drawn(request, response, rules, 1.0):
            return False
        return drawn(request, response, rules, self._doubts().get(response.served.target, 0.0))

    async def _store_all(self) -> None:
        while self._waiting:
            request, response = self._waiting.popleft()
            try:
                opened = await self._store.opened()
                await opened.history.create(_job(request, response), (JUDGING,))
            except StoreError:
                self.dropped += 1
                continue
            self._begun()


def _job(request: InferenceRequest, response: InferenceResponse) -> Job:
    asked = orjson.dumps(to_json(request))
    return Job(
        request_id=request.request_id,
        tenant=request.caller.tenant,
        created_s=request.received_s,
        size=len(asked),
        stage=JUDGE,
        request=asked,
        answer=orjson.dumps(to_json(response)),
        figures=figures_of(response),
    )
