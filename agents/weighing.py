"""What thinks twice beside the fast path, as the path sees it; None where nothing does.

A protocol and its argument alone, so that the path and the devices that run it know nothing of who thinks.
"""

from __future__ import annotations

from typing import Final, Protocol

from agents.context import Foresee
from agents.safety import SafetyAgent
from agents.sensing import SignalServices
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.inference import InferenceRequest
from router_core.monitoring import DeliberationNumbers
from router_core.record import dataclass
from router_core.routing.objective import InFlight
from router_core.routing.table import TargetTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """A decision, with all that it was taken from."""

    request: InferenceRequest
    context: RequestContext
    decision: RoutingDecision
    table: TargetTable
    inflight: InFlight


class Deliberating(Protocol):
    """Raises nothing but a cancellation, and answers within the time that the request has."""

    async def weigh(self, weighing: Weighing, started_s: float) -> Weighing:
        """The decision to take, and the context it is taken from; `started_s` is when the request came, monotonic."""

    def judged(self, request_id: str, target: str, score: float) -> None:
        """An answer that `target` gave was judged, in [0, 1]."""

    def numbers(self) -> DeliberationNumbers:
        """What came of it so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is asked beside the path, each None where nothing is: services and the learned scorer
    before the decision, models after it."""

    signals: SignalServices | None = None
    thinking: Deliberating | None = None
    foresee: Foresee | None = None
    safety: SafetyAgent | None = None


NOTHING_BESIDE: Final = Beside()
