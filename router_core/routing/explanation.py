"""Says in one sentence why a decision came out as it did; made only when somebody reads it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from router_core.decision import RoutingDecision

_LEADS: Final = {
    "pinned": "the caller named it",
    "cache": "the same question was answered there before",
    "deliberated": "deliberation preferred it",
}


def reason(decision: RoutingDecision) -> str:
    """One sentence a person understands, without numbers a person would not check."""
    p = decision.prediction
    lead = _LEADS.get(decision.decided_by) or (
        "it was drawn for exploration"
        if decision.explored
        else f"best fit for a {decision.request_class} request"
    )
    text = (
        f"{decision.target}: {lead}; expected quality {p.quality:.2f}, {_ms(p.latency_ms)}, ${p.cost_usd:.6f}, "
        f"{p.energy_j:.1f} J"
    )
    if decision.quality_short:
        text += "; below the quality asked for, but nothing permitted scores better"
    runner = next((name for name in decision.fallbacks), None)
    if runner is not None and runner in decision.scores:
        text += f"; next would be {runner}"
    if decision.rejected:
        text += f"; ruled out: {_ruled_out(decision)}"
    return text + "."


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _ruled_out(decision: RoutingDecision) -> str:
    """Three reasons at most, the commonest first, each with how many targets it removed."""
    counts = Counter(decision.rejected.values()).most_common(3)
    return ", ".join(f"{count} by {why}" for why, count in counts)
