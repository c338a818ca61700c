"""Traces of what the gateway does: a span per request at the socket, one per stage, one per attempt at a tier.

Both classes wrap what they watch and are there only in a gateway that traces. Stage spans are made after the answer from
its own timings, so that tracing changes nothing on the way. No text, user or key goes into a span.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from agents.resource import TargetView
from gateway.http.exchange import WHOLE, Headers
from gateway.http.ports import Router
from router_core.execution import DeviceOutcome
from router_core.inference import EmbedRequest, InferenceRequest, InferenceResponse, StreamEvent
from router_core.policy.rollout import Rollout
from router_core.tracing import CURRENT, Attribute, Span, Tracing

if TYPE_CHECKING:  # functions trace, too, and have no web framework
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UNTRACED: Final = ("/health/", "/metrics")
_JOINED: Final = ("traceparent", "tracestate", "x-amzn-trace-id")
_REQUEST_ID: Final = b"x-tierwise-request-id"
_STAGES: Final = ("context", "resource", "decision")


class TracedApp:
    """ASGI application around the gateway's: begins or joins a trace, and says how the request ended."""

    def __init__(self, inside: ASGIApp, tracing: Tracing) -> None:
        self._inside, self._tracing = inside, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNTRACED):
            await self._inside(scope, receive, send)
            return
        route = _route(scope["path"])
        span = self._tracing.begin(f"{scope['method']} {route}", _joined(scope["headers"]))
        ending = _Ending()
        facts: dict[str, Attribute] = {"http.request.method": scope["method"], "http.route": route}
        token, error = CURRENT.set(span), None
        try:
            await self._inside(ending.watched(scope), receive, ending.watching(send))
        except BaseException as caught:
            error = type(caught).__name__
            raise
        finally:
            CURRENT.reset(token)
            if ending.status >= 500:
                error = error or str(ending.status)
            span.end(facts | ending.facts(), error=error)


class _Ending:
    """Sees the status and the request id of one answer, whichever way it is sent."""

    __slots__ = ("request_id", "status")

    def __init__(self) -> None:
        self.status, self.request_id = 0, ""

    def facts(self) -> dict[str, Attribute]:
        return {"http.response.status_code": self.status, "tierwise.request_id": self.request_id}

    def watched(self, scope: Scope) -> Scope:
        whole = scope.get(WHOLE)
        if whole is None:
            return scope

        def seen(status: int, headers: Headers, body: bytes) -> bool:
            self._note(status, headers)
            return bool(whole(status, headers, body))

        return {**scope, WHOLE: seen}

    def watching(self, send: Send) -> Send:
        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(message["status"], message.get("headers", ()))
            await send(message)

        return seen

    def _note(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.request_id = next((value.decode() for name, value in headers if name == _REQUEST_ID), "")


class TracedRouter:
    """`Router` around the router: adds a span per stage and says on the request's span where it went."""

    def __init__(self, inside: Router) -> None:
        self._inside = inside

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        return _told(await self._inside.answer(request))

    async def stream(self, request: InferenceRequest) -> AsyncGenerator[StreamEvent, None]:
        async with aclosing(self._inside.stream(request)) as events:
            async for event in events:
                yield _told(event) if isinstance(event, InferenceResponse) else event

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        return _told(await self._inside.explain(request))

    async def embed(self, request: EmbedRequest) -> InferenceResponse:
        return _told(await self._inside.embed(request))

    async def scored(self, tenant: str, request_id: str, target: str, score: float) -> None:
        await self._inside.scored(tenant, request_id, target, score)

    async def feedback(
        self, tenant: str, request_id: str, target: str, score: float, comment_length: int
    ) -> None:
        await self._inside.feedback(tenant, request_id, target, score, comment_length)

    async def outcome(self, tenant: str, request_id: str, target: str, report: DeviceOutcome) -> None:
        await self._inside.outcome(tenant, request_id, target, report)

    def targets(self) -> Sequence[TargetView]:
        return self._inside.targets()

    def drain(self, target: str, draining: bool) -> None:
        self._inside.drain(target, draining)

    def rollout(self) -> Rollout:
        return self._inside.rollout()


def _told(response: InferenceResponse) -> InferenceResponse:
    span = CURRENT.get()
    if span is not None:
        _stages(span, response)
    return response


def _stages(span: Span, response: InferenceResponse) -> None:
    """The stages lie one after another from the request's start; what executes has spans of its own."""
    timings, decision = response.timings, response.decision
    at = time.time() - timings.total_ms / 1000.0
    facts: dict[str, dict[str, Attribute]] = {"decision": _decision(response)}
    for stage in _STAGES:
        part = span.child(f"tierwise.{stage}", started_s=at)
        at += getattr(timings, f"{stage}_ms") / 1000.0
        part.end(facts.get(stage), ended_s=at)
    if response.cache == "hit":
        span.child("tierwise.cache", started_s=at).end({"tierwise.target": decision.target})


def _decision(response: InferenceResponse) -> dict[str, Attribute]:
    decision = response.decision
    return {
        "tierwise.target": decision.target,
        "tierwise.served": response.served.target,
        "tierwise.tier": response.served.tier,
        "tierwise.class": decision.request_class,
        "tierwise.confidence": decision.confidence,
        "tierwise.risk": decision.risk,
        "tierwise.decided_by": decision.decided_by,
        "tierwise.policy": decision.policy,
        "tierwise.cache": response.cache,
        "tierwise.attempts": len(response.attempts),
        "tierwise.cost_usd": response.cost_usd,
    }


def _joined(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """The headers that carry a sender's trace."""
    named = ((name.decode("latin-1"), value) for name, value in headers)
    return {name: value.decode("latin-1") for name, value in named if name in _JOINED}


def _route(path: str) -> str:
    """The path without what a client invents, so that names of spans stay few."""
    if path in _KNOWN:
        return path
    for prefix, route in _WITH_ID.items():
        if path.startswith(prefix):
            tail = path.rsplit("/", 1)[1]
            return f"{route}/{tail}" if tail in _ABOUT else route
    return "other"


_KNOWN: Final = frozenset(
    (
        "/inference",
        "/explain",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/embeddings",
        "/v1/models",
        "/admin/targets",
        "/admin/decisions",
        "/admin/policy",
        "/docs",
        "/openapi.json",
    )
)
_WITH_ID: Final = {"/inference/": "/inference/{id}", "/v1/models/": "/v1/models/{model}"}
_ABOUT: Final = frozenset(("feedback", "outcome"))
