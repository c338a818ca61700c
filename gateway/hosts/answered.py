"""Asynchronous requests in a deployed environment: the workflow runs them, shared state knows how far they are.

An answer is kept for a day, a restricted one for an hour; what is too large for an entry lies in the archive bucket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from agents.staged.parcel import pack, unpack
from gateway.hosts.outside import Outside
from gateway.http.refusals import UnprocessableError
from router_core.errors import StaleStateError
from router_core.inference import InferenceRequest
from router_core.payload import to_json

KEPT_S: Final = 86_400.0
RESTRICTED_S: Final = 3_600.0


class StoredAnswers:
    """Answers, or how far they are, by tenant and request."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def put(self, request: InferenceRequest, body: Mapping[str, Any]) -> None:
        """Keep what the caller is to be told. Raises `StoreError`."""
        packed = await pack(body, self._outside.blobs())
        await self._outside.states().put(
            _key(request.caller.tenant, request.request_id), _bytes(packed), ttl_s=_kept_s(request)
        )

    async def put_first(self, request: InferenceRequest, body: Mapping[str, Any]) -> None:
        """The same where nothing is known yet. Raises `StoreError`."""
        try:
            await self._outside.states().put(
                _key(request.caller.tenant, request.request_id),
                _bytes(body),
                expected=0,
                ttl_s=_kept_s(request),
            )
        except StaleStateError:
            return

    async def get(self, tenant: str, request_id: str) -> dict[str, Any] | None:
        """None when it is unknown, gone, or another tenant's. Raises `StoreError`."""
        found = await self._outside.states().get(_key(tenant, request_id))
        if found is None:
            return None
        body: dict[str, Any] = await unpack(json.loads(found.value), self._outside.blobs())
        return body


class WorkflowRequests:
    """Runs accepted requests as executions of the state machine."""

    def __init__(self, outside: Outside) -> None:
        self._outside, self._answers = outside, StoredAnswers(outside)

    async def submit(self, request: InferenceRequest, size: int) -> None:
        """Starts the workflow; `size` is bounded by what a body may have. Raises `StoreError`, or
        `UnprocessableError` where there is no workflow."""
        workflow = self._outside.workflow()
        if workflow is None:
            raise UnprocessableError("asynchronous requests are not set up here", field="$.mode")
        payload = {"request": await pack(to_json(request), self._outside.blobs())}
        queued = {"request_id": request.request_id, "status": "queued", "stage": "CREATED"}
        await self._answers.put_first(request, queued)
        await workflow.start(request.request_id, json.dumps(payload, separators=(",", ":")))

    async def found(self, tenant: str, request_id: str) -> Mapping[str, Any] | None:
        """The answer, or how far it is."""
        return await self._answers.get(tenant, request_id)


def _key(tenant: str, request_id: str) -> str:
    return f"answer/{tenant}/{request_id}"


def _bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _kept_s(request: InferenceRequest) -> float:
    return RESTRICTED_S if request.privacy.level == "restricted" else KEPT_S
