"""What the HTTP side needs from the inside, as protocols, so that it can be tested without any tier behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from agents.resource import TargetView
from router_core.execution import DeviceOutcome
from router_core.inference import EmbedRequest, InferenceRequest, InferenceResponse, StreamEvent
from router_core.policy.rollout import Rollout
from router_core.record import dataclass


class Answers(Protocol):
    """The one path from request to answer. A stream's first `anext` raises what must still be an HTTP status."""

    async def answer(self, request: InferenceRequest) -> InferenceResponse: ...

    def stream(self, request: InferenceRequest) -> AsyncGenerator[StreamEvent, None]: ...

    async def explain(self, request: InferenceRequest) -> InferenceResponse: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The answer of an asynchronous request, with the stage it has reached and what else there is to say of it."""

    response: InferenceResponse
    stage: str
    more: Mapping[str, Any]


class Accepted(Protocol):
    """Runs requests that nobody waits for, and knows them by their id. Raises `NoCapacityError` or `StoreError`."""

    async def submit(self, request: InferenceRequest, size: int) -> None:
        """Takes a request whose body had `size` bytes."""

    async def found(
        self, tenant: str, request_id: str
    ) -> InferenceResponse | StoredAnswer | Mapping[str, Any] | None:
        """The answer, or the body that says how far it is; None when unknown, gone, or another tenant's."""


@runtime_checkable
class Announcing(Protocol):
    """`Accepted` that also calls a webhook when the request is over."""

    async def submit_announced(
        self, request: InferenceRequest, size: int, url: str, secret_ref: str | None
    ) -> None:
        """Raises `UnprocessableError` for a webhook that may not be called."""


class Reports(Protocol):
    """What callers tell us after an answer; scores are in [0, 1], comments are counted and not kept."""

    async def feedback(
        self, tenant: str, request_id: str, target: str, score: float, comment_length: int
    ) -> None: ...

    async def scored(self, tenant: str, request_id: str, target: str, score: float) -> None: ...

    async def outcome(self, tenant: str, request_id: str, target: str, report: DeviceOutcome) -> None: ...


class Operations(Protocol):
    """What an operator sees and turns. `drain` raises KeyError for a target that does not exist."""

    def targets(self) -> Sequence[TargetView]: ...

    def drain(self, target: str, draining: bool) -> None: ...

    def rollout(self) -> Rollout: ...


class Answering(Answers, Protocol):
    """Answers of every kind, vectors included."""

    async def embed(self, request: EmbedRequest) -> InferenceResponse: ...


class Router(Answering, Reports, Operations, Protocol):
    """Everything the HTTP side asks of the inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionQuery:
    """Which stored decisions an operator wants: the newest `limit`, narrowed by whatever is not None."""

    limit: int = 50
    tenant: str | None = None
    tier: str | None = None
    target: str | None = None
    request_class: str | None = None


class EventLookup(Protocol):
    """Reads decisions back from the event log. Records have the form of `router_core.events`."""

    async def find(self, request_id: str) -> Mapping[str, Any] | None:
        """`{"decision": record, "outcome": record or None}`, or None when the log does not hold it (any more)."""

    async def recent(self, query: DecisionQuery) -> Sequence[Mapping[str, Any]]:
        """The newest matching records of kind "decision", newest first."""
