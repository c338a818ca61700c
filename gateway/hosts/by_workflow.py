"""Whole answers from the stages: the function at the door runs the workflow and waits for it.

Everything before and after stays the door's: keys, limits, idempotency, headers, problems. So a caller cannot tell who
answered, and what the workflow gives back is the response as a record rather than as a body.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from agents.assembly import embedding
from agents.staged.carried import WAITING
from agents.staged.parcel import pack, unpack
from gateway.hosts.outside import Runner
from gateway.http.ports import Answering
from router_core.errors import LostError
from router_core.inference import EmbedRequest, InferenceRequest, InferenceResponse, StreamEvent
from router_core.payload import error_from_json, from_json, to_json
from router_core.ports import BlobStore


class WorkflowAnswers:
    """`Answering` by runs of the workflow; what needs no stage is answered by `inside`."""

    def __init__(self, inside: Answering, runner: Runner, blobs: BlobStore) -> None:
        self._inside, self._runner, self._blobs = inside, runner, blobs

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        """The whole answer. Raises what the stages raised, `StoreError` where the workflow cannot be run, and
        `DeadlineError` or `LostError` where it ended without an answer."""
        began_s = time.monotonic()
        payload = {"request": await pack(to_json(request), self._blobs), WAITING: True}
        output = await self._runner.run(request.request_id, json.dumps(payload, separators=(",", ":")))
        told: Any = await unpack(json.loads(output), self._blobs)
        if not isinstance(told, dict) or not ("raised" in told or "response" in told):
            raise LostError("the workflow ended without an answer")
        if "raised" in told:
            raise error_from_json(told["raised"])
        response = from_json(InferenceResponse, told["response"])
        # The stages know nothing of the way to them and back, which is our overhead, too.
        total_ms = (time.monotonic() - began_s) * 1000.0
        return replace(response, timings=replace(response.timings, total_ms=total_ms))

    async def embed(self, request: EmbedRequest) -> InferenceResponse:
        """Vectors, by the same way."""
        return await self.answer(embedding(request))

    def stream(self, request: InferenceRequest) -> AsyncGenerator[StreamEvent, None]:
        """As `inside` streams; a function's host refuses streams before."""
        return self._inside.stream(request)

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        """A decision alone needs no run."""
        return await self._inside.explain(request)
