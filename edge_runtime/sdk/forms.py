"""What either side answered, in the one form that apps see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_runtime.sdk.answers import Answer, Trusting
from edge_runtime.sdk.deciding import DEVICE, Turn
from edge_runtime.sdk.errors import GatewayError
from router_core.execution import ModelAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An answer and the report that tells of it; None where the gateway gave it and has its own record."""

    answer: Answer
    report: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What every answer of a turn says of how it was decided."""

    policy: str
    bundle: Trusting
    decision: str
    propensity: float
    request_id: str


def ready_of(turn: Turn, standing: Trusting) -> Ready:
    decision = turn.decision
    return Ready(
        policy=decision.policy,
        bundle=standing,
        decision=decision.target,
        propensity=decision.propensity,
        request_id=decision.request_id,
    )


def at_home(turn: Turn, target: str, ready: Ready, given: ModelAnswer, latency_ms: float) -> Answer:
    spec = turn.table.targets[turn.table.index[target]].spec
    return Answer(
        id=ready.request_id,
        status="completed",
        text=given.choices[0].text,
        json=given.json,
        tier=DEVICE,
        target=target,
        model=spec.model,
        confidence=given.confidence,
        latency_ms=latency_ms,
        cost_usd=0.0,
        energy_j=spec.energy_j(given.usage.completion_tokens),
        policy=ready.policy,
        bundle=ready.bundle,
        decision=ready.decision,
        propensity=ready.propensity,
    )


def at_gateway(body: Any, ready: Ready, latency_ms: float) -> Answer:
    """The gateway's answer in the client's form. Raises `GatewayError` for what is none."""
    try:
        routing: Mapping[str, Any] = body["routing"]
        output: Mapping[str, Any] = body["output"] or {}
        return Answer(
            id=body["request_id"],
            status="completed",
            text=output.get("text"),
            json=output.get("json"),
            tier=routing["tier"],
            target=routing["target"],
            model=routing["model"],
            confidence=routing.get("confidence"),
            latency_ms=latency_ms,
            cost_usd=float(body.get("cost_usd") or 0.0),
            energy_j=float(body.get("energy_j") or 0.0),
            policy=ready.policy,
            bundle=ready.bundle,
            decision=ready.decision,
            propensity=ready.propensity,
            emulated=bool(routing.get("emulated", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GatewayError("the gateway's answer cannot be read") from error
