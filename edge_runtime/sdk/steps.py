"""Who is asked, in which order and for how long; and what a failure of each means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from edge_runtime.sdk.answers import Delta, Fallback, Reason
from edge_runtime.sdk.deciding import DEVICE, Turn
from edge_runtime.sdk.errors import ERROR_OF, OFFLINE, ClientError, DeclinedError
from edge_runtime.sdk.forms import Known
from router_core.errors import RefusedError, TargetError, TimeoutTargetError

GATEWAY: Final = "gateway"
SHARE: Final = 0.7
"""Part of the time left that a step may take while another one could still follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`target` on this device, or the gateway, which may choose among `tiers`."""

    target: str
    tiers: tuple[str, ...] = ()


def steps_of(turn: Turn, linked: bool) -> list[Step]:
    """The decision's order, the gateway once. A turn that stays has device targets only: its table holds no others."""
    order = (turn.decision.target, *turn.decision.fallbacks)
    specs = [turn.table.targets[turn.table.index[name]].spec for name in order]
    tiers = tuple(sorted({spec.tier for spec in specs if spec.tier != DEVICE}))
    steps: list[Step] = []
    for spec in specs:
        if spec.tier == DEVICE:
            steps.append(Step(target=spec.name))
        elif linked and not turn.stays and not any(step.tiers for step in steps):
            steps.append(Step(target=GATEWAY, tiers=tiers))
    return steps


def step_timeout_s(turn: Turn, steps: Sequence[Step], i: int) -> float:
    limit = turn.context.max_latency_ms or turn.table.policy.limits.deadline_ms
    return limit / 1000.0 * (SHARE if i + 1 < len(steps) else 1.0)


def typed(error: TargetError) -> ClientError:
    if isinstance(error, RefusedError):
        return DeclinedError(str(error))
    kind = ERROR_OF["slow" if isinstance(error, TimeoutTargetError) else "unavailable"]
    return kind(str(error))


def fallback_of(step: Step, error: ClientError) -> Fallback:
    return Fallback(source=step.target, reason=cast("Reason", error.reason), detail=str(error))


def with_tries(part: Delta | Known, tries: Sequence[Fallback]) -> Delta | Known:
    if isinstance(part, Delta) or not tries:
        return part
    return replace(part, answer=replace(part.answer, fallbacks=tuple(tries)))


def no_answer(tries: Sequence[Fallback]) -> ClientError:
    """The last failure speaks, unless a connection would have helped."""
    if not tries:
        return DeclinedError("nothing on this device may answer, and no gateway is set")
    told = next((each for each in tries if each.reason == OFFLINE), tries[-1])
    return ERROR_OF[told.reason]("; ".join(f"{each.source}: {each.detail}" for each in tries))
