"""Two routers behind one door: the gateway's own targets, and those that are asked with a caller's key.

They are apart so that nothing can lead from one to the other: no decision about our targets weighs a provider's, no fallback
carries a key to anybody but the provider that was named. The rules are the same: each decides by the same policy.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from agents.assembly import Router as Assembled
from agents.resource import TargetView
from gateway.byok.envelopes import MISSING
from gateway.http.ports import Router
from router_core.errors import AllTargetsFailedError, KeyThrottledError, NoCapacityError, RequestError
from router_core.execution import DeviceOutcome
from router_core.inference import EmbedRequest, InferenceRequest, InferenceResponse, StreamEvent
from router_core.own_key import held, needs_own_key
from router_core.policy.rollout import Rollout


class OwnKeyRouter:
    """`gateway.http.ports.Router` around both."""

    def __init__(self, main: Router, providers: Assembled) -> None:
        self._main, self._providers = main, providers

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        """See `Answers.answer`. Raises RequestError for a provider's target without a key."""
        if not needs_own_key(request.preferences.target):
            return await self._main.answer(request)
        try:
            return await self._providers.answer(_keyed(request))
        except AllTargetsFailedError as error:
            raise _told(error) from None

    async def stream(self, request: InferenceRequest) -> AsyncGenerator[StreamEvent, None]:
        """See `Answers.stream`."""
        own = needs_own_key(request.preferences.target)
        events = self._providers.stream(_keyed(request)) if own else self._main.stream(request)
        try:
            async for event in events:
                yield event
        except AllTargetsFailedError as error:
            raise _told(error) from None
        finally:
            await events.aclose()

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        """See `Answers.explain`. Deciding needs no key."""
        if needs_own_key(request.preferences.target):
            return await self._providers.explain(_pinned(request))
        return await self._main.explain(request)

    async def embed(self, request: EmbedRequest) -> InferenceResponse:
        """See `Answering.embed`. Providers are asked for text only."""
        if needs_own_key(request.preferences.target):
            raise RequestError("vectors are not made with a caller's own key", field="model")
        return await self._main.embed(request)

    async def feedback(
        self, tenant: str, request_id: str, target: str, score: float, comment_length: int
    ) -> None:
        await self._of(target).feedback(tenant, request_id, target, score, comment_length)

    async def scored(self, tenant: str, request_id: str, target: str, score: float) -> None:
        await self._of(target).scored(tenant, request_id, target, score)

    async def outcome(self, tenant: str, request_id: str, target: str, report: DeviceOutcome) -> None:
        await self._of(target).outcome(tenant, request_id, target, report)

    def targets(self) -> Sequence[TargetView]:
        return (*self._main.targets(), *self._providers.targets())

    def drain(self, target: str, draining: bool) -> None:
        self._of(target).drain(target, draining)

    def rollout(self) -> Rollout:
        return self._main.rollout()

    def _of(self, target: str) -> Router | Assembled:
        return self._providers if needs_own_key(target) else self._main


def _pinned(request: InferenceRequest) -> InferenceRequest:
    """The named provider or nobody: another one would be shown a key that is not for it. Answers are not reused, because
    who has no valid key is to be told so."""
    return replace(request, preferences=replace(request.preferences, fallback=False), cache_allowed=False)


def _keyed(request: InferenceRequest) -> InferenceRequest:
    if held() is None:
        raise RequestError(MISSING, field="$.preferences.target")
    return _pinned(request)


def _told(error: AllTargetsFailedError) -> Exception:
    """A key out of its quota is something to wait for, as a busy target is."""
    if not isinstance(error.last, KeyThrottledError):
        return error
    target = error.attempts[-1].target if error.attempts else "byok"
    return NoCapacityError(
        "the provider limits your key; try again later",
        rejected={target: "busy: the key's quota at the provider is used up"},
        retry_after_s=error.last.retry_after_s,
    )
