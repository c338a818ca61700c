"""Which minutes deserve an alert: a target that only fails, too many errors, a jump of cost, a refused policy.

Thresholds are few and fixed, because an alert must mean the same in every environment; alarms with thresholds of
their own are CloudWatch's matter. An alert names its period, so that whoever sends it can send it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from router_core.learning.event_figures import BY_ATTEMPT, NONE, REFUSED_POLICIES, MinuteFigures, tier_subject
from router_core.record import dataclass

PERIOD_S: Final = 300
"""An alert is sent once in so many seconds (of the events' own time)."""
BASELINE_MINUTES: Final = 15
ENOUGH: Final = 20
ERRORS_ODD: Final = 0.2
DOWN_AFTER: Final = 5
COST_FACTOR: Final = 3.0
COST_FLOOR_USD: Final = 0.1
"""A minute that costs less is no spike, however cheap the minutes before were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """`kind` is the event's detail-type; `subject` a target, a tier or a policy; `period_s` the start of its period."""

    kind: str
    subject: str
    period_s: int
    figures: tuple[tuple[str, float], ...]

    @property
    def key(self) -> str:
        """What is the same for every sender of this alert in this period."""
        return f"alert#{self.kind}#{self.subject}#{self.period_s}"


def alerts(subject: str, minute_s: int, now: MinuteFigures, before: Sequence[MinuteFigures]) -> list[Alert]:
    """Alerts of one subject's minute; `before` are its figures in the `BASELINE_MINUTES` before, silent ones left out."""
    found = []
    for kind, figures in (_errors(subject, now), _cost(subject, now, before), _policy(subject, now)):
        if figures:
            period_s = minute_s // PERIOD_S * PERIOD_S
            found.append(Alert(kind=kind, subject=subject, period_s=period_s, figures=figures))
    return found


Figures = tuple[tuple[str, float], ...]


def _errors(subject: str, now: MinuteFigures) -> tuple[str, Figures]:
    """A target is down when all of at least `DOWN_AFTER` attempts failed; fewer failures are just many errors.
    Tiers go by requests: an attempt that was made up for by a fallback is no error to anybody."""
    tier = subject.startswith(tier_subject(""))
    asked, errors = (now.total(name) for name in (("Requests", "Errors") if tier else BY_ATTEMPT))
    figures = (("asked", asked), ("errors", errors))
    if not tier and errors >= max(DOWN_AFTER, asked):
        return "TargetDown", figures
    odd = asked >= ENOUGH and errors / asked > ERRORS_ODD
    return "ErrorRateHigh", figures if odd else ()


def _cost(subject: str, now: MinuteFigures, before: Sequence[MinuteFigures]) -> tuple[str, Figures]:
    cost = now.total("CostUsd")
    usual = sum(figures.total("CostUsd") for figures in before) / BASELINE_MINUTES
    spike = before and cost > max(COST_FLOOR_USD, COST_FACTOR * usual)
    return "CostSpike", (("cost_usd", cost), ("usual_usd", usual)) if spike else ()


def _policy(subject: str, now: MinuteFigures) -> tuple[str, Figures]:
    refused = now.total(REFUSED_POLICIES) if subject == NONE else 0.0
    return "PolicyRefused", (("refused", refused),) if refused else ()
