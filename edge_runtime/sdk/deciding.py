"""Decides on the device: the gateway's own context agent and `decide()`, over the targets of the signed bundle.

Two tables are kept. `home` holds the device's own targets and nothing else; it decides what must not leave, and all
that is asked while no valid bundle is there. A mistake in a filter could not send such a request away: there is no
other target in its table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.context import NO_HISTORY, ContextAgent, History
from agents.guarding.rules import needs_others, screened_here
from edge_runtime.protocol.bundle import Bundle
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.errors import GuardBlockedError, NoPermittedTargetError
from router_core.inference import TIERS, InferenceRequest
from router_core.policy.document import Policy
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing.constraints import RESTRICTED
from router_core.routing.decide import decide
from router_core.routing.table import TargetTable, compile_table

DEVICE: str = "device"
UP = TargetState(health="up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One decided request. `stays`: nothing of it may leave this device."""

    request: InferenceRequest
    context: RequestContext
    decision: RoutingDecision
    table: TargetTable
    stays: bool


class DeviceRouter:
    """`own` describes the models that lie on this device."""

    def __init__(self, own: Sequence[TargetSpec], policy: Policy) -> None:
        self._own = tuple(own)
        self._context = ContextAgent()
        self._bundle: Bundle | None = None
        self.home = self._alone(policy)
        self.all: TargetTable | None = None

    def install(self, own: Sequence[TargetSpec]) -> None:
        """Other models lie here now."""
        self._own = tuple(own)
        if self._bundle is None:
            self.home = self._alone(self.home.policy)
        else:
            self.obey(self._bundle)

    def obey(self, bundle: Bundle) -> None:
        """Decide by this bundle from now on. Of the device's targets only those count whose model is here."""
        self._bundle = bundle
        installed = {spec.model for spec in self._own}
        here = tuple(
            target
            for target in bundle.state.targets
            if target.spec.tier == DEVICE and target.spec.model in installed
        )
        away = tuple(target for target in bundle.state.targets if target.spec.tier != DEVICE)
        self.home = compile_table(ResourceState.of(here), bundle.policy)
        self.all = compile_table(ResourceState.of((*here, *away)), bundle.policy)

    def _alone(self, policy: Policy) -> TargetTable:
        """What is here by what the package says of it, while no bundle says it."""
        return compile_table(
            ResourceState.of(tuple(Target(spec=spec, state=UP) for spec in self._own)), policy
        )

    def read(self, request: InferenceRequest, history: History = NO_HISTORY) -> RequestContext:
        """What the request is, by the policy in force; valid or not, a policy's rules of privacy stay."""
        context = self._context.read(request, self.home.policy, history)
        return context if request.device.executes else replace(context, executes=True)

    def decide(self, request: InferenceRequest, context: RequestContext, *, trusted: bool) -> Turn:
        """Raises `NoTargetError`. `trusted`: the bundle is valid now."""
        kept = stays(context)
        table = self.home if kept or not trusted or self.all is None else self.all
        context = guarded(context, table)
        return Turn(
            request=request, context=context, decision=decide(context, table), table=table, stays=kept
        )


def guarded(context: RequestContext, table: TargetTable) -> RequestContext:
    """The policy's guard, as far as it can be had without asking anybody: what must be judged by others, on its way in or
    out, is not answered here. Raises `NoPermittedTargetError` for what a rule refuses."""
    guard = table.policy.guard
    try:
        context = screened_here(context, guard)
    except GuardBlockedError as error:
        why = f"guard: {', '.join(error.rules)}"
        raise NoPermittedTargetError(str(error), rejected=dict.fromkeys(table.names, why)) from error
    if needs_others(context, guard):
        away = tuple(tier for tier in context.guard_tiers or TIERS if tier != DEVICE)
        return replace(context, guard_tiers=away or ("cloud",))
    return context


def stays(context: RequestContext) -> bool:
    """Whether nothing of the request may leave the device: it is restricted, or its caller allows no other tier."""
    return context.privacy >= RESTRICTED or all(tier == DEVICE for tier in context.tiers)
