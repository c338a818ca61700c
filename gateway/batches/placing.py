"""Where a batch's line is answered: in the cheapest tier that may, when that tier has room, and wherever it may once the
window presses.

Permission is the router's: the line is decided like any other request, and what its filters removed is not looked at here.
A line does not count against its key's limits per minute, which are for those who wait for an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from gateway.http.ports import Router
from gateway.http.serving import estimate
from router_core.errors import AllTargetsFailedError, NoCapacityError, NoPermittedTargetError
from router_core.inference import TIERS, InferenceRequest, InferenceResponse
from router_core.ports import Clock
from router_core.record import dataclass
from router_core.resources import TargetSpec

PRESSED_S: Final = "batch_pressed_s"
"""What a line's metadata say beside its class: from when on nothing is waited for."""
_AGAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a line would cost at best in each tier that may answer it, cheapest first; equal ones nearest first."""

    by_tier: tuple[tuple[str, float], ...]
    permitted: Mapping[str, str]

    @property
    def tiers(self) -> tuple[str, ...]:
        return tuple(tier for tier, _ in self.by_tier)


class Placing:
    """Decides for one router's targets."""

    def __init__(
        self, router: Router, specs: Iterable[TargetSpec], clock: Clock, *, idle_below: float
    ) -> None:
        self._router, self._clock, self._idle_below = router, clock, idle_below
        self._specs = {spec.name: spec for spec in specs}

    async def costs(self, request: InferenceRequest) -> Costs:
        """What it would cost. Raises `NoPermittedTargetError`."""
        try:
            decision = (await self._router.explain(self._as_batch(request))).decision
            names, rejected = list(decision.scores), decision.rejected
        except NoCapacityError as error:
            names, rejected = [], error.rejected
        busy = (name for name, why in rejected.items() if why.startswith(("busy", "health")))
        known = [spec for name in (*names, *busy) if (spec := self._specs.get(name)) is not None]
        tokens = estimate(request)
        prompt = min(tokens, sum(len(str(message.get("content") or "")) for message in request.messages) // 4)
        best: dict[str, float] = {}
        for spec in known:
            cost = spec.cost_usd(prompt, tokens - prompt)
            best[spec.tier] = min(cost, best.get(spec.tier, cost))
        order = sorted(best.items(), key=lambda found: (found[1], TIERS.index(found[0])))
        return Costs(by_tier=tuple(order), permitted={spec.name: spec.tier for spec in known})

    async def answer(self, request: InferenceRequest) -> InferenceResponse:
        """The line's answer. Raises what the router raises, and `NoCapacityError` while it may wait for room."""
        costs = await self.costs(request)
        if not costs.by_tier:
            raise NoCapacityError("no target has room for this line", rejected={}, retry_after_s=_AGAIN_S)
        pressed = self._pressed(request)
        cheapest = costs.tiers[0]
        if not pressed and not self._has_room(costs, cheapest):
            raise NoCapacityError(
                "the cheapest tier is busy; the line waits", rejected={}, retry_after_s=_AGAIN_S
            )
        try:
            return await self._router.answer(self._within(request, (cheapest,)))
        except (AllTargetsFailedError, NoCapacityError, NoPermittedTargetError) as error:
            others = costs.tiers[1:]
            if not others or (isinstance(error, NoCapacityError) and not pressed):
                raise
            return await self._router.answer(self._within(request, others))

    def _as_batch(self, request: InferenceRequest) -> InferenceRequest:
        """The class is said outright; money decides between targets."""
        hint = self._router.rollout().stable.class_rules.hint_key
        return replace(
            request,
            metadata={**request.metadata, hint: "batch"},
            preferences=replace(request.preferences, optimize="cost"),
        )

    def _within(self, request: InferenceRequest, tiers: tuple[str, ...]) -> InferenceRequest:
        made = self._as_batch(request)
        return replace(made, preferences=replace(made.preferences, tiers=tiers))

    def _pressed(self, request: InferenceRequest) -> bool:
        moment = request.metadata.get(PRESSED_S)
        return moment is not None and self._clock.now_s() >= float(moment)

    def _has_room(self, costs: Costs, tier: str) -> bool:
        """Whether one of the tier's permitted targets has so little to do that nobody else will notice the line."""
        views = {view.name: view for view in self._router.targets()}
        for name, its_tier in costs.permitted.items():
            if its_tier != tier:
                continue
            view = views.get(name)
            if view is None:
                return True
            taken = view.inflight / self._specs[name].max_concurrency
            if not view.throttled and max(view.saturation, taken) < self._idle_below:
                return True
        return False
