"""Router agent: one decision over all tiers. Its fast path is `decide()`, pure and replayable."""

from __future__ import annotations

from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.routing.decide import decide
from router_core.routing.objective import InFlight
from router_core.routing.table import TargetTable


class RouterAgent:
    """Chooses a target. Stateless: what it knows comes in with the call."""

    def route(self, context: RequestContext, table: TargetTable, inflight: InFlight) -> RoutingDecision:
        """Raises `NoPermittedTargetError` or `NoCapacityError`."""
        return decide(context, table, inflight)
