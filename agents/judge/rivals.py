"""The answer that another one is held beside: the caller's own reference, or what another target says.

The other target is asked through the router's own path with the question's own privacy, like any request of the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from agents.judge.verdict import Rival
from router_core.errors import AllTargetsFailedError, NoTargetError, TargetError
from router_core.inference import InferenceRequest, InferenceResponse, Preferences, Privacy
from router_core.resources import TargetSpec

Ask = Callable[[InferenceRequest], Awaitable[InferenceResponse]]
REFERENCE_KEY: Final = "reference"
"""The request's metadata may hold an answer that is taken to be right."""
CALLER: Final = "caller"


class Rivals:
    """Finds them among the targets of one router."""

    def __init__(self, ask: Ask, specs: Mapping[str, TargetSpec]) -> None:
        self._ask, self._specs = ask, specs

    async def other(self, request: InferenceRequest, response: InferenceResponse) -> Rival | None:
        """What another target answers: the decision's own fallbacks first, then whoever is most able."""
        return await self._first(request, response, self._others(response))

    async def reference(self, request: InferenceRequest, response: InferenceResponse) -> Rival | None:
        """An answer to measure by: the caller's own, or that of a target which is declared to be better."""
        own = reference_of(request)
        if own is not None:
            return own
        served = self._specs.get(response.served.target)
        worth = 0.0 if served is None else served.quality_default
        better = [spec for spec in self._others(response) if spec.quality_default > worth]
        return await self._first(request, response, sorted(better, key=lambda spec: -spec.quality_default))

    async def _first(
        self, request: InferenceRequest, response: InferenceResponse, specs: Iterable[TargetSpec]
    ) -> Rival | None:
        for spec in specs:
            try:
                reply = await self._ask(_again(request, response, spec.name))
            except (NoTargetError, TargetError, AllTargetsFailedError):
                continue
            text = None if reply.output is None else reply.output.first.text
            if text:
                return Rival(
                    target=spec.name,
                    model=spec.model,
                    text=text,
                    quality=spec.quality_default,
                    cost_usd=reply.cost_usd,
                )
        return None

    def _others(self, response: InferenceResponse) -> list[TargetSpec]:
        place = {name: number for number, name in enumerate(response.decision.fallbacks)}
        able = [
            spec
            for spec in self._specs.values()
            if spec.name != response.served.target and "chat" in spec.tasks and spec.kind != "onnx"
        ]
        able.sort(key=lambda spec: (place.get(spec.name, len(place)), -spec.quality_default, spec.name))
        return able


def reference_of(request: InferenceRequest) -> Rival | None:
    """The caller's own."""
    text = request.metadata.get(REFERENCE_KEY)
    return Rival(target=CALLER, model=CALLER, text=text, quality=1.0) if text else None


def privacy_of(request: InferenceRequest, response: InferenceResponse) -> Privacy:
    """The question's privacy, or a higher one where something was found in it."""
    return replace(request.privacy, level="restricted") if response.restricted else request.privacy


def _again(request: InferenceRequest, response: InferenceResponse, target: str) -> InferenceRequest:
    return replace(
        request,
        request_id=f"{request.request_id}-rival",
        preferences=Preferences(tiers=request.preferences.tiers, target=target, fallback=False),
        privacy=privacy_of(request, response),
        stream=False,
        cache_allowed=False,
        asynchronous=True,
    )
